//! The rules.

use super::*;
use crate::domain::lease::Point;
use crate::domain::token::SecretState;
use crate::server::store::Warrant;
use crate::server::store::query::query;

pub async fn the_same_person_is_the_same_user_at_every_login_with_the_roles_of_the_last(store: Store) {
    let first = store.log_in("alice", &["staff"]).await;
    let second = store.log_in("alice", &["boss"]).await;
    let other = store.log_in("bob", &[]).await;
    assert_eq!(first, second);
    assert_ne!(first, other);
    let user = store.db.lookup_user(first).await.unwrap().unwrap();
    assert_eq!(user.profile.roles.into_iter().collect::<Vec<_>>(), ["boss"]);
}

pub async fn a_check_finds_secret_token_and_owner_in_one_row(store: Store) {
    let (key, secret) = store.token().await;
    let row = store.db.lookup_check(secret).await.unwrap().unwrap();
    assert_eq!((row.token_id, row.owner.id), (key.id, key.owner));
    assert_eq!((row.secret.state, row.secret.expires_at), (SecretState::Active, Some(LATER)));
    assert_eq!(row.scopes.to_string(), "a b");
    assert_eq!(store.db.lookup_check("0000000000000000".parse().unwrap()).await.unwrap().map(|row| row.token_id), None);
}

pub async fn the_limit_counts_what_could_be_used_now(store: Store) {
    let owner = store.log_in("alice", &[]).await;
    let (_, first) = store.add(owner, "expires at once", &store.new_secret(Some(LATER), 1)).await;
    let (_, second) = store.add(owner, "one too many", &store.new_secret(Some(LATER), 1)).await;
    assert!(matches!(first, AddOutcome::Added(_)));
    assert_eq!(second, AddOutcome::LimitReached);
    assert_eq!(store.actions().await, ["user.logged_in", "token.created"]);
}

pub async fn a_used_form_leads_to_what_it_made(store: Store) {
    let owner = store.log_in("alice", &[]).await;
    let form = |secret| NewSecret { form_key: Some([7; 32]), ..secret };
    let (key, first) = store.add(owner, "one", &form(store.new_secret(None, 9))).await;
    let (_, second) = store.add(owner, "two", &form(store.new_secret(None, 9))).await;
    assert!(matches!(first, AddOutcome::Added(_)));
    assert_eq!(second, AddOutcome::FormUsed(key.id));
}

pub async fn a_new_secret_ends_the_old_one_and_only_one_change_of_a_version_wins(store: Store) {
    let (key, old) = store.token().await;
    let event = event(Action::TokenRegenerated);
    let regenerate = async |secret: &NewSecret| store.db.regenerate_token(key, 1, secret, &event, NOW).await.unwrap();
    let new = store.new_secret(None, 10);
    let AddOutcome::Added(made) = regenerate(&new).await else { panic!("it is not there") };
    assert_eq!(store.db.lookup_token(key).await.unwrap(), Some(*made));
    assert_eq!(regenerate(&store.new_secret(None, 10)).await, AddOutcome::Stale);
    let state = async |id| store.db.lookup_check(id).await.unwrap().unwrap().secret.state;
    assert_eq!(state(old).await, SecretState::Ended);
    assert_eq!(state(new.id).await, SecretState::Active);
    assert_eq!(store.db.lookup_token(key).await.unwrap().unwrap().secrets.len(), 2);
}

pub async fn the_current_secret_stands_first_whatever_the_clocks_were(store: Store) {
    let (key, old) = store.token().await;
    let new = store.new_secret(None, 10);
    let earlier = NOW.minus(Duration::from_mins(2));
    store.db.regenerate_token(key, 1, &new, &event(Action::TokenRegenerated), earlier).await.unwrap();
    let row = store.db.lookup_token(key).await.unwrap().unwrap();
    let order = |row: &TokenRow| row.secrets.iter().map(|secret| secret.id).collect::<Vec<_>>();
    assert_eq!(order(&row), [new.id, old]);
    let page = store.db.list_owned(&[key.id]).await.unwrap();
    assert_eq!(order(&page[0].0), [new.id, old]);
}

pub async fn an_edit_is_decided_on_the_version_that_was_read(store: Store) {
    let (key, _) = store.token().await;
    let scopes = ScopeSet::parse("a").unwrap();
    let edit = |version| Edit { version, name: "renamed", description: "why", scopes: &scopes };
    let event = event(Action::TokenEdited);
    let outcome = async |version| store.db.edit_token(key, &edit(version), &event, NOW).await.unwrap();
    let edited = outcome(1).await;
    assert_eq!(outcome(1).await, None);
    let row = store.db.lookup_token(key).await.unwrap().unwrap();
    assert_eq!(edited.as_ref(), Some(&row));
    assert_eq!((row.name.as_str(), row.version, row.scopes), ("renamed", 2, scopes.clone()));
}

pub async fn a_revocation_ends_every_secret_and_happens_once(store: Store) {
    let (key, secret) = store.token().await;
    let event = event(Action::TokenRevoked);
    let other_version = store.db.revoke_token(key, None, Some(7), &event, NOW).await.unwrap();
    assert_eq!(other_version, ChangeOutcome::Stale);
    let revoke = async || store.db.revoke_token(key, Some("lost"), None, &event, NOW).await.unwrap();
    assert_eq!((revoke().await, revoke().await), (ChangeOutcome::Changed, ChangeOutcome::Stale));
    let row = store.db.lookup_check(secret).await.unwrap().unwrap();
    assert_eq!((row.token.revoked_at, row.secret.state), (Some(NOW), SecretState::Ended));
    assert_eq!(store.actions().await, ["user.logged_in", "token.created", "token.revoked"]);
    let again = store.db.regenerate_token(key, 2, &store.new_secret(None, 10), &event, NOW).await.unwrap();
    assert_eq!(again, AddOutcome::Stale);
}

pub async fn somebody_elses_token_is_not_there(store: Store) {
    let (key, _) = store.token().await;
    let stranger = TokenKey { owner: store.log_in("eve", &[]).await, ..key };
    assert_eq!(store.db.lookup_token(stranger).await.unwrap(), None);
    let outcome = store.db.revoke_token(stranger, None, None, &event(Action::TokenRevoked), NOW).await.unwrap();
    assert_eq!(outcome, ChangeOutcome::Stale);
}

pub async fn a_list_goes_on_where_it_stopped_and_finds_text_as_it_is_typed(store: Store) {
    let owner = store.log_in("alice", &[]).await;
    for name in ["Nightly 100%", "weekly_report", "other"] {
        store.add(owner, name, &store.new_secret(None, 10)).await;
    }
    let page = |search, after, limit| TokenPage { owner, search, after, limit };
    let first = store.db.list_tokens(&page("", None, 2)).await.unwrap();
    let last = first.last().unwrap();
    let rest = store.db.list_tokens(&page("", Some((last.created_at, last.id)), 2)).await.unwrap();
    assert_eq!((first.len(), rest.len()), (2, 1));
    assert!(first.iter().all(|row| row.id != rest[0].id));
    for (search, found) in [("NIGHTLY", 1), ("100%", 1), ("%", 1), ("_", 1), ("y_r", 1), ("none", 0), ("", 3)] {
        assert_eq!(store.db.list_tokens(&page(search, None, 9)).await.unwrap().len(), found, "{search}");
    }
}

pub async fn uses_only_move_forward(store: Store) {
    let (key, secret) = store.token().await;
    let at = |at, ip: &str| Use { token: key.id, secret, at, ip: Some(ip.parse().unwrap()) };
    for (time, ip) in [(LATER, "192.0.2.2"), (NOW, "192.0.2.1")] {
        assert_eq!(store.db.mark_used(&[at(time, ip)]).await.unwrap(), [], "nobody is in the way");
    }
    let row = store.db.lookup_token(key).await.unwrap().unwrap();
    assert_eq!((row.last_used_at, row.last_used_ip.as_deref()), (Some(LATER), Some("192.0.2.2")));
    assert_eq!(row.secrets[0].last_used_at, Some(LATER));
    let row = store.db.lookup_check(secret).await.unwrap().unwrap();
    assert_eq!((row.token.last_used_at, row.secret_last_used_at), (Some(LATER), Some(LATER)));
}

pub async fn an_expiry_is_noticed_once_and_for_ever(store: Store) {
    let (_, secret) = store.token().await;
    assert_eq!(store.db.find_overdue(NOW, 10).await.unwrap(), []);
    assert_eq!(store.db.find_overdue(LATER, 10).await.unwrap(), [secret]);
    store.db.latch_expiry(secret, LATER).await.unwrap();
    store.db.latch_expiry(secret, LATER).await.unwrap();
    assert_eq!(store.db.find_overdue(LATER, 10).await.unwrap(), []);
    assert_eq!(store.actions().await.last().unwrap(), "token.expired");
    assert_eq!(store.actions().await.len(), 3);
}

pub async fn a_session_that_was_ended_stays_ended(store: Store) {
    store.log_in("alice", &[]).await;
    let (hash,): (Vec<u8>,) = query("SELECT id_hash FROM sessions").fetch_one(store.db.reader()).await.unwrap();
    let hash: [u8; 32] = hash.try_into().unwrap();
    assert!(store.db.lookup_session(&hash).await.unwrap().is_some());
    let event = event(Action::UserLoggedOut);
    assert!(store.db.end_session(&hash, &event, LATER).await.unwrap());
    assert!(!store.db.end_session(&hash, &event, LATER).await.unwrap());
    store.db.touch_session(&hash, LATER).await.unwrap();
    assert_eq!(store.db.lookup_session(&hash).await.unwrap(), None);
    store.db.delete_old_sessions(LATER).await.unwrap();
    assert_eq!(store.actions().await, ["user.logged_in", "user.logged_out"]);
}

pub async fn a_token_never_has_two_current_secrets(store: Store) {
    store.token().await;
    let copy = "INSERT INTO secrets (id, token_id, state, created_at, phc)
        SELECT 'BBBBBBBBBBBBBBBB', token_id, $1, created_at, phc FROM secrets LIMIT 1";
    let raise = "UPDATE secrets SET state = 'active' WHERE state = 'superseded'";
    // With OR REPLACE, the index of SQLite alone would let the new one push out the old one.
    let [no_second, no_other] = if store.db.is_shared() {
        ["secrets_one_active"; 2]
    } else {
        ["secrets are never replaced", "a token has one current secret"]
    };
    let refusal = query(copy).bind("active").execute(store.db.writer()).await.unwrap_err().to_string();
    assert!(refusal.contains(no_second), "{refusal}");
    query(copy).bind("superseded").execute(store.db.writer()).await.unwrap();
    let refusal = query(raise).execute(store.db.writer()).await.unwrap_err().to_string();
    assert!(refusal.contains(no_other), "{refusal}");
}

pub async fn the_census_counts_each_token_once(store: Store) {
    let (revoked, _) = store.token().await;
    store.add(revoked.owner, "good", &store.new_secret(None, 10)).await;
    store.add(revoked.owner, "soon", &store.new_secret(Some(LATER), 10)).await;
    store.db.revoke_token(revoked, None, None, &event(Action::TokenRevoked), NOW).await.unwrap();
    let before = Timestamp::from_seconds(0);
    let state = StateRules { now: NOW, lifetime: LIFETIME, away_since: before, idle_since: before };
    let soon = LATER.plus(Duration::from_micros(1));
    let count =
        async |state, unused_since| store.db.count_tokens(CensusRules { state, soon, unused_since }).await.unwrap();
    assert_eq!(count(state, before).await, Census { revoked: 1, active: 2, expiring: 1, ..Census::default() });
    assert_eq!(
        count(StateRules { now: LATER, ..state }, before).await,
        Census { revoked: 1, expired: 1, active: 1, ..Census::default() }
    );
    assert_eq!(
        count(StateRules { away_since: LATER, ..state }, before).await,
        Census { revoked: 1, suspended: 2, ..Census::default() }
    );
    let unused = count(state, LATER).await;
    assert_eq!(unused, Census { revoked: 1, active: 2, expiring: 1, unused: 2, ..Census::default() });
    let lifetime = LifetimePolicy { max: Duration::from_micros(1), allow_never: false, ..LIFETIME };
    let too_old = count(StateRules { now: NOW.plus(Duration::from_micros(1)), lifetime, ..state }, before).await;
    assert_eq!(too_old, Census { revoked: 1, expired: 2, ..Census::default() });
}

pub async fn a_schema_that_is_one_ahead_is_borne_with_and_a_later_one_is_not(store: Store) {
    let ahead = async |version: i64| {
        let applied = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
            VALUES ($1, 'later', TRUE, $2, 0)";
        query(applied).bind(version).bind(vec![0_u8]).execute(store.db.writer()).await.unwrap();
    };
    let (last,): (i64,) = query(schema::FIND_SCHEMA).fetch_one(store.db.reader()).await.unwrap();
    // Those that run already go on as long as others could start.
    let goes_on = async || {
        let replica = crate::domain::id::ReplicaId::from_random([7; 16]);
        let renewed = store.db.renew(replica, Point::default()).await.is_ok();
        let read = !store.db.is_shared() || store.db.lookup_checks(&[], Point::default(), Warrant::Lease).await.is_ok();
        assert_eq!(renewed, read);
        renewed
    };
    ahead(last + 1).await;
    assert!(store.open_again().await.is_ok() && goes_on().await);
    ahead(last + 2).await;
    assert_eq!(goes_on().await, !store.db.is_shared());
    let refusal = store.open_again().await.unwrap_err().to_string();
    assert!(refusal.contains("newer version of Hallpass"), "{refusal}");
}

pub async fn uses_of_several_secrets_of_one_token_are_noted_with_the_last(store: Store) {
    let (key, secret) = store.token().await;
    let new = store.new_secret(None, 10);
    store.db.regenerate_token(key, 1, &new, &event(Action::TokenRegenerated), NOW).await.unwrap();
    let at = |secret, at| Use { token: key.id, secret, at, ip: None };
    store.db.mark_used(&[at(new.id, LATER), at(secret, NOW)]).await.unwrap();
    let row = store.db.lookup_token(key).await.unwrap().unwrap();
    assert_eq!(row.last_used_at, Some(LATER));
    let used = row.secrets.iter().map(|secret| secret.last_used_at).collect::<Vec<_>>();
    assert!(used.contains(&Some(LATER)) && used.contains(&Some(NOW)), "{used:?}");
    let row = store.db.lookup_check(secret).await.unwrap().unwrap();
    assert_eq!((row.token.last_used_at, row.secret_last_used_at), (Some(LATER), Some(NOW)), "each secret has its own");
}
