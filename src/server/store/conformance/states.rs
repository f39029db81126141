//! What the database says of many tokens is what the rules say of each.

use super::*;
use crate::domain::entropy;
use crate::domain::token::{Standing, TokenFacts, TokenPolicy, TokenState};

const STATES: [TokenState; 4] = [TokenState::Active, TokenState::Expired, TokenState::Suspended, TokenState::Revoked];

fn day(count: u64) -> Timestamp {
    NOW.plus(days(count))
}

fn days(count: u64) -> Duration {
    Duration::from_hours(24 * count)
}

fn policies() -> Vec<TokenPolicy> {
    let mut policies = Vec::new();
    for (max, idle, away) in [(365, None, None), (30, None, None), (365, Some(60), None), (100, Some(20), Some(45))] {
        for allow_never in [false, true] {
            policies.push(TokenPolicy {
                lifetime: LifetimePolicy { default: days(90), max: days(max), allow_never },
                idle_suspend: idle.map(days),
                owner_max_login_age: away.map(days),
            });
        }
    }
    policies
}

/// Tokens of every kind: made, given a new secret and used on different days, to run out at different times or never.
async fn tokens_of_every_kind(store: &Store) {
    let owners = [store.log_in("alice", &[]).await, store.log_in("bob", &[]).await];
    let scopes = ScopeSet::parse("a b").unwrap();
    for made in [0, 40] {
        for lives in [None, Some(10), Some(90), Some(300)] {
            for (index, later) in [None, Some(20), Some(50)].into_iter().enumerate() {
                for used in [None, Some(made + 1), Some(made + 55)] {
                    let key = TokenKey {
                        id: TokenId::from_random(entropy::bytes(&*store.entropy)),
                        owner: owners[index % 2],
                    };
                    let token = NewToken { key, name: "t", description: "", scopes: &scopes, allowed_ips: &[] };
                    let mut secret = store.new_secret(lives.map(|lives| day(made + lives)), 999);
                    store.db.add_token(&token, &secret, &event(Action::TokenCreated), day(made)).await.unwrap();
                    if let Some(later) = later {
                        secret = store.new_secret(lives.map(|lives| day(made + later + lives)), 999);
                        let done = event(Action::TokenRegenerated);
                        store.db.regenerate_token(key, 1, &secret, &done, day(made + later)).await.unwrap();
                    }
                    if let Some(used) = used {
                        let used = Use { token: key.id, secret: secret.id, at: day(used), ip: None };
                        store.db.mark_used(&[used]).await.unwrap();
                    }
                }
            }
        }
    }
    let all = store.db.walk(&InventoryFilter::default(), &rules(&policies()[0], NOW), Order::Age, None, 99).await;
    let all = all.unwrap().found;
    assert_eq!(all.len(), 72);
    for (token, owner) in &all[..3] {
        let key = TokenKey { id: token.id, owner: owner.id };
        store.db.revoke_token(key, None, None, &event(Action::TokenRevoked), day(60)).await.unwrap();
    }
    // Noticed by a clock that was ahead, or under a shorter lifetime.
    for (token, _) in &all[3..6] {
        store.db.latch_expiry(token.secrets[0].id, day(1)).await.unwrap();
    }
}

fn rules(policy: &TokenPolicy, now: Timestamp) -> StateRules {
    StateRules::of(policy, now)
}

fn state((token, owner): &OwnedToken, policy: &TokenPolicy, now: Timestamp) -> TokenState {
    let facts = TokenFacts {
        revoked_at: token.revoked_at,
        last_used_at: token.last_used_at,
        owner_disabled_at: owner.disabled_at,
        owner_last_login_at: owner.last_login_at,
    };
    let standing = token.secrets.first().map(|secret| policy.standing(&facts, &secret.facts, now));
    standing.unwrap_or(Standing::Ended).state()
}

fn ids<'a>(tokens: impl IntoIterator<Item = &'a OwnedToken>) -> Vec<TokenId> {
    let mut ids: Vec<_> = tokens.into_iter().map(|(token, _)| token.id).collect();
    ids.sort_unstable();
    ids
}

/// The ids that a filter finds, which are the same in every way of looking.
async fn found(store: &Store, filter: &InventoryFilter, rules: &StateRules) -> Vec<TokenId> {
    let db = &store.db;
    let walked = ids(&db.walk(filter, rules, Order::Name, None, 999).await.unwrap().found);
    // In steps of ten, and in one.
    let mut listed = Vec::new();
    let mut on = None;
    loop {
        let places = db.walk_places(filter, rules, on, 10).await.unwrap();
        listed.extend(places.found.into_iter().map(|mark| mark.id));
        on = places.on;
        if on.is_none() {
            break;
        }
    }
    listed.sort_unstable();
    assert_eq!(listed, walked, "{filter:?} {rules:?}");
    assert_eq!(db.walk_count(filter, rules, None).await.unwrap().found, walked.len());
    if let Some(few) = db.find_few(filter, rules, Order::Age).await.unwrap() {
        let mut few: Vec<_> = few.into_iter().map(|mark| mark.id).collect();
        assert_eq!(ids(&db.list_fitting(&few, filter, rules).await.unwrap()).len(), few.len());
        few.sort_unstable();
        assert_eq!(few, walked, "{filter:?} {rules:?}");
    }
    for most in [1, 10, 999] {
        let Some(Located { marks, is_all }) = db.find_many(filter, rules, most).await.unwrap() else { continue };
        let mut many: Vec<_> = marks.into_iter().map(|mark| mark.id).collect();
        many.sort_unstable();
        if is_all {
            assert_eq!(many, walked, "{filter:?} {rules:?}");
        } else {
            assert!(many.len() > most && many.iter().all(|id| walked.contains(id)), "{filter:?} {rules:?}");
        }
    }
    walked
}

pub async fn tokens_are_found_and_counted_in_the_state_that_they_show(store: Store) {
    tokens_of_every_kind(&store).await;
    let all = InventoryFilter::default;
    for policy in policies() {
        for now in [0, 9, 10, 30, 45, 61, 100, 139, 365, 500].map(day) {
            let rules = rules(&policy, now);
            let tokens = store.db.walk(&all(), &rules, Order::Age, None, 99).await.unwrap().found;
            let of = |wanted| ids(tokens.iter().filter(move |each| state(each, &policy, now) == wanted));
            for wanted in STATES {
                let filter = InventoryFilter { state: Some(wanted), ..all() };
                assert_eq!(found(&store, &filter, &rules).await, of(wanted), "{wanted} {policy:?} {now:?}");
            }
            let kept = ids(tokens.iter().filter(|(token, _)| token.revoked_at.is_none()));
            let filter = InventoryFilter { unrevoked: true, ..all() };
            assert_eq!(found(&store, &filter, &rules).await, kept, "{policy:?} {now:?}");
            let owner = tokens[0].1.id;
            let theirs = tokens.iter().filter(|(token, of)| of.id == owner && token.revoked_at.is_none());
            let filter = InventoryFilter { owner: Some(owner), unrevoked: true, ..all() };
            assert_eq!(found(&store, &filter, &rules).await, ids(theirs), "{policy:?} {now:?}");
            let soon = now.plus(days(30));
            let ending = ids(tokens.iter().filter(|each| {
                let deadline = each.0.secrets.first().and_then(|secret| policy.deadline(&secret.facts));
                state(each, &policy, now) == TokenState::Active && deadline.is_some_and(|deadline| deadline < soon)
            }));
            let filter = InventoryFilter { expires_before: Some(soon), ..all() };
            assert_eq!(found(&store, &filter, &rules).await, ending, "{policy:?} {now:?}");
            let count = |wanted| i64::try_from(of(wanted).len()).unwrap();
            let census = store.db.count_tokens(CensusRules { state: rules, soon, unused_since: NOW }).await.unwrap();
            let [active, expired, suspended, revoked] = STATES.map(count);
            let expiring = i64::try_from(ending.len()).unwrap();
            assert_eq!(
                census,
                Census { revoked, expired, suspended, active, expiring, unused: 0 },
                "{policy:?} {now:?}"
            );
        }
    }
}

pub async fn what_has_run_out_by_the_longest_lifetime_alone_counts_nowhere(store: Store) {
    let (key, _) = store.token().await;
    let lifetime = LifetimePolicy { max: days(30), allow_never: false, ..LIFETIME };
    let secret = NewSecret { lifetime, ..store.new_secret(Some(day(90)), 1) };
    let add = async |now| {
        let key = TokenKey { id: TokenId::from_random(entropy::bytes(&*store.entropy)), ..key };
        let scopes = ScopeSet::parse("a").unwrap();
        let token = NewToken { key, name: "t", description: "", scopes: &scopes, allowed_ips: &[] };
        let secret = NewSecret { id: store.new_secret(None, 1).id, ..secret.clone() };
        store.db.add_token(&token, &secret, &event(Action::TokenCreated), now).await.unwrap()
    };
    assert!(matches!(add(day(1)).await, AddOutcome::Added(_)), "the first has run out by its own time");
    assert_eq!(add(day(2)).await, AddOutcome::LimitReached);
    let open = async |now| {
        let filter = PeopleFilter { limit: 9, ..PeopleFilter::default() };
        store.db.list_people(&filter, lifetime.due(now), now, now).await.unwrap()[0].tokens
    };
    assert_eq!((open(day(30)).await, open(day(31)).await), (1, 0));
    assert!(matches!(add(day(31)).await, AddOutcome::Added(_)));
}

pub async fn a_search_finds_the_same_whichever_way_it_goes(store: Store) {
    let (key, _) = store.token().await;
    let other = store.log_in("bob", &[]).await;
    let secret = store.new_secret(None, 10);
    let (wanted, _) = store.add(other, "#1", &secret).await;
    let (public, id) = (secret.id.as_str(), wanted.id.to_string());
    let swapped: String = public
        .chars()
        .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    let rules = rules(&policies()[0], NOW);
    for (text, is_found) in [
        ("#1", true),
        ("#", true),
        (&public[..3], true),
        (public, true),
        (&id[..4], true),
        (&id[..13], true),
        (&public[..1], false),
        (&public[..2], false),
        (&swapped[..2], false),
        (&swapped, false),
        (&id[..3], false),
        ("", true),
    ] {
        // Whoever is asked for has few tokens; who is active may be anybody.
        let filter = InventoryFilter { text: text.to_owned(), ..InventoryFilter::default() };
        let of_owner = InventoryFilter { owner: Some(other), ..filter.clone() };
        let active = InventoryFilter { state: Some(TokenState::Active), ..filter.clone() };
        assert!(store.db.find_few(&of_owner, &rules, Order::Age).await.unwrap().is_some());
        for filter in [filter, of_owner, active] {
            let found = found(&store, &filter, &rules).await;
            assert_eq!(found.contains(&wanted.id), is_found, "{filter:?}");
            assert_eq!(found.contains(&key.id), text.is_empty() && filter.owner.is_none(), "{filter:?}");
        }
    }
    for scope in ["a", "A"] {
        let filter = InventoryFilter { scope: scope.to_owned(), ..InventoryFilter::default() };
        assert_eq!(found(&store, &filter, &rules).await.len(), if scope == "A" { 0 } else { 2 }, "{scope}");
    }
}
