//! What administrators ask.

use super::*;
use crate::domain::id::TokenId;
use crate::domain::token::TokenState;

const RULES: StateRules = StateRules {
    now: NOW,
    lifetime: LIFETIME,
    away_since: Timestamp::from_seconds(0),
    idle_since: Timestamp::from_seconds(0),
};

async fn three_tokens(store: &Store) -> Vec<TokenKey> {
    let (alice, bob) = (store.log_in("alice", &[]).await, store.log_in("bob_100%", &[]).await);
    let mut keys = Vec::new();
    for (owner, name, expires_at) in
        [(alice, "Nightly backup", None), (alice, "deploy 100%", Some(LATER)), (bob, "x", None)]
    {
        keys.push(store.add(owner, name, &store.new_secret(expires_at, 10)).await.0);
    }
    keys
}

fn ids(found: &[OwnedToken]) -> Vec<TokenId> {
    let mut ids: Vec<_> = found.iter().map(|(token, _)| token.id).collect();
    ids.sort_unstable();
    ids
}

pub async fn few_tokens_are_found_by_what_few_have(store: Store) {
    let keys = three_tokens(&store).await;
    store.db.revoke_token(keys[2], None, None, &event(Action::TokenRevoked), NOW).await.unwrap();
    let all = InventoryFilter::default;
    let id = keys[0].id.to_string();
    for (filter, expected) in [
        (InventoryFilter { text: "BACKUP".to_owned(), ..all() }, vec![0]),
        (InventoryFilter { text: "ghtly ba".to_owned(), ..all() }, vec![0]),
        (InventoryFilter { text: "alice".to_owned(), ..all() }, vec![0, 1]),
        (InventoryFilter { text: "bob_100%".to_owned(), ..all() }, vec![2]),
        (InventoryFilter { text: "nothing".to_owned(), ..all() }, vec![]),
        (InventoryFilter { text: id[..9].to_owned(), ..all() }, vec![0]),
        (InventoryFilter { owner: Some(keys[2].owner), ..all() }, vec![2]),
        (InventoryFilter { state: Some(TokenState::Revoked), ..all() }, vec![2]),
        (InventoryFilter { expires_before: Some(LATER.plus(Duration::from_secs(1))), ..all() }, vec![1]),
        (InventoryFilter { unused_since: Some(LATER), ..all() }, vec![0, 1, 2]),
        (InventoryFilter { unused_since: Some(NOW), ..all() }, vec![]),
        (InventoryFilter { ids: Some(vec![keys[1].id]), ..all() }, vec![1]),
    ] {
        let found = store.db.find_few(&filter, &RULES, Order::Age).await.unwrap().expect("they are few");
        let mut expected: Vec<_> = expected.into_iter().map(|index: usize| keys[index].id).collect();
        expected.sort_unstable();
        let mut found: Vec<_> = found.iter().map(|mark| mark.id).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{filter:?}");
    }
    let by_scope = InventoryFilter { scope: "a".to_owned(), ..all() };
    assert!(store.db.find_few(&by_scope, &RULES, Order::Age).await.unwrap().is_none(), "one letter is in no index");
    assert!(store.db.find_few(&all(), &RULES, Order::Age).await.unwrap().is_none(), "nothing narrows that");
}

pub async fn a_walk_meets_every_token_once_in_each_order_and_skips_what_cannot_fit(store: Store) {
    let keys = three_tokens(&store).await;
    let walk = async |filter: &InventoryFilter, order, after, enough| {
        store.db.walk(filter, &RULES, order, after, enough).await.unwrap()
    };
    for (order, names) in
        [(Order::Age, None), (Order::Name, Some(["deploy 100%", "Nightly backup", "x"])), (Order::Use, None)]
    {
        let (mut seen, mut on) = (Vec::new(), None);
        loop {
            let walked = walk(&InventoryFilter::default(), order, on, 2).await;
            seen.extend(walked.found.into_iter().map(|(token, _)| token.name));
            on = walked.on;
            if on.is_none() {
                break;
            }
        }
        if let Some(names) = names {
            assert_eq!(seen, names);
        }
        seen.sort();
        assert_eq!(seen, ["Nightly backup", "deploy 100%", "x"], "{order:?}");
    }
    let all = InventoryFilter::default;
    for (filter, count) in [
        (InventoryFilter { text: "100%".to_owned(), ..all() }, 2),
        (InventoryFilter { text: "0_".to_owned(), ..all() }, 0),
        (InventoryFilter { scope: "b".to_owned(), ..all() }, 3),
        (InventoryFilter { scope: "ab".to_owned(), ..all() }, 0),
        (InventoryFilter { state: Some(TokenState::Revoked), ..all() }, 0),
        (InventoryFilter { state: Some(TokenState::Expired), ..all() }, 0),
        (InventoryFilter { state: Some(TokenState::Active), ..all() }, 3),
        (InventoryFilter { owner: Some(keys[0].owner), ..all() }, 2),
        (InventoryFilter { created_before: Some(NOW), ..all() }, 0),
        (InventoryFilter { expires_before: Some(Timestamp::MAX), ..all() }, 1),
    ] {
        assert_eq!(walk(&filter, Order::Age, None, 9).await.found.len(), count, "{filter:?}");
    }
    let later = StateRules { now: LATER, ..RULES };
    let expired = InventoryFilter { state: Some(TokenState::Expired), ..all() };
    assert_eq!(ids(&store.db.walk(&expired, &later, Order::Age, None, 9).await.unwrap().found), [keys[1].id]);
    let away = StateRules { away_since: LATER, ..RULES };
    let suspended = InventoryFilter { state: Some(TokenState::Suspended), ..all() };
    assert_eq!(store.db.walk(&suspended, &away, Order::Age, None, 9).await.unwrap().found.len(), 3);
}

pub async fn an_edited_token_is_found_by_its_new_words_only(store: Store) {
    let keys = three_tokens(&store).await;
    let scopes = ScopeSet::parse("a").unwrap();
    let edit = Edit { version: 1, name: "hourly", description: "copies everything", scopes: &scopes };
    store.db.edit_token(keys[0], &edit, &event(Action::TokenEdited), NOW).await.unwrap();
    for (text, count) in [("nightly", 0), ("hourly", 1), ("everything", 1)] {
        let filter = InventoryFilter { text: text.to_owned(), ..InventoryFilter::default() };
        assert_eq!(store.db.find_few(&filter, &RULES, Order::Age).await.unwrap().unwrap().len(), count, "{text}");
    }
}

pub async fn many_are_revoked_together_each_with_its_event(store: Store) {
    let keys = three_tokens(&store).await;
    store.db.revoke_token(keys[0], None, None, &event(Action::TokenRevoked), NOW).await.unwrap();
    let all: Vec<_> = keys.iter().map(|key| (*key, event(Action::TokenRevoked))).collect();
    assert_eq!(store.db.revoke_tokens(&all, "leaked", NOW).await.unwrap(), 2);
    assert_eq!(store.actions().await.iter().filter(|action| *action == "token.revoked").count(), 3);
    assert_eq!(store.db.revoke_tokens(&all, "leaked", NOW).await.unwrap(), 0);
}

pub async fn a_user_is_locked_out_once_by_somebody_who_is_not(store: Store) {
    let (alice, bob) = (store.log_in("alice", &[]).await, store.log_in("bob", &[]).await);
    let disable = async |id, by| store.db.disable_user(id, by, &event(Action::UserDisabled), NOW).await.unwrap();
    assert_eq!(
        store.db.list_sessions(alice, Timestamp::from_seconds(0), Timestamp::from_seconds(0)).await.unwrap().len(),
        1
    );
    assert!(disable(alice, Some(bob)).await);
    assert!(!disable(alice, Some(bob)).await, "she is already");
    assert!(!disable(bob, Some(alice)).await, "she is locked out herself");
    assert_eq!(
        store.db.list_sessions(alice, Timestamp::from_seconds(0), Timestamp::from_seconds(0)).await.unwrap(),
        []
    );
    assert!(disable(bob, None).await);
    let enable = async |id, by| store.db.enable_user(id, by, &event(Action::UserEnabled), NOW).await.unwrap();
    assert!(!enable(alice, Some(alice)).await, "nobody lets themselves in again");
    assert!(!enable(alice, Some(bob)).await, "he is locked out himself");
    assert!(enable(alice, None).await && !enable(alice, None).await);
    let listed = store
        .db
        .list_people(&PeopleFilter { limit: 9, ..PeopleFilter::default() }, LIFETIME.due(NOW), NOW, NOW)
        .await
        .unwrap();
    let states: Vec<_> = listed.iter().map(|person| person.user.disabled_at.is_some()).collect();
    assert_eq!(states, [false, true]);
    let only = PeopleFilter { disabled: Some(true), text: "BO".to_owned(), limit: 9, ..PeopleFilter::default() };
    assert_eq!(store.db.list_people(&only, LIFETIME.due(NOW), NOW, NOW).await.unwrap().len(), 1);
    let after = Some(("alice".to_owned(), alice));
    let rest = PeopleFilter { after, limit: 9, ..PeopleFilter::default() };
    assert_eq!(store.db.list_people(&rest, LIFETIME.due(NOW), NOW, NOW).await.unwrap().len(), 1);
}

pub async fn of_two_who_lock_each_other_out_at_once_one_remains(store: Store) {
    let (alice, bob) = (store.log_in("alice", &[]).await, store.log_in("bob", &[]).await);
    let disable = async |id, by| store.db.disable_user(id, Some(by), &event(Action::UserDisabled), NOW).await.unwrap();
    let is_out = async |id| store.db.lookup_user(id).await.unwrap().unwrap().disabled_at.is_some();
    for _ in 0..20 {
        let (alice_is_out, bob_is_out) = tokio::join!(disable(alice, bob), disable(bob, alice));
        assert_ne!(alice_is_out, bob_is_out);
        assert_eq!((is_out(alice).await, is_out(bob).await), (alice_is_out, bob_is_out));
        let who = if alice_is_out { alice } else { bob };
        assert!(store.db.enable_user(who, None, &event(Action::UserEnabled), NOW).await.unwrap());
    }
    assert_eq!(store.actions().await.iter().filter(|action| *action == "user.disabled").count(), 20);
}

pub async fn names_are_told_of_those_who_are_known(store: Store) {
    let (alice, bob) = (store.log_in("alice", &[]).await, store.log_in("bob", &[]).await);
    let nobody = UserId::from_random([9; 16]);
    let names = store.db.list_usernames(&[bob, nobody, alice]).await.unwrap();
    assert_eq!(names, [(alice, "alice".to_owned()), (bob, "bob".to_owned())].into());
    assert!(store.db.list_usernames(&[nobody]).await.unwrap().is_empty());
    assert!(store.db.list_usernames(&[]).await.unwrap().is_empty());
}

pub async fn the_log_is_read_from_every_side(store: Store) {
    let alice = store.log_in("alice", &[]).await;
    let token = Party::token(TokenId::from_random([5; 16]), "t");
    let made = Draft::new(Action::TokenCreated, Party::user(alice, "alice"), token.clone(), &Origin::default());
    store.db.record(&made, NOW).await.unwrap();
    let refused = Draft::new(Action::UserLoginRefused, Party::stranger("eve"), Party::SYSTEM, &Origin::default());
    store.db.record(&refused.refused("unknown"), LATER).await.unwrap();
    let all = LogFilter::default;
    for (filter, expected) in [
        (all(), vec![3, 2, 1]),
        (LogFilter { user: Some(alice), ..all() }, vec![2]),
        (LogFilter { actor: alice.to_string(), ..all() }, vec![2]),
        (LogFilter { object: token.id.clone().unwrap(), ..all() }, vec![2]),
        (LogFilter { action: "user.logged_in".to_owned(), ..all() }, vec![1]),
        (LogFilter { result: "refused".to_owned(), ..all() }, vec![3]),
        (LogFilter { since: Some(LATER), ..all() }, vec![3]),
        (LogFilter { until: Some(LATER), ..all() }, vec![2, 1]),
        (LogFilter { user: Some(alice), action: "nothing".to_owned(), ..all() }, vec![]),
    ] {
        let found = store.db.list_log(&filter, None, 9).await.unwrap();
        let found: Vec<_> = found.iter().map(|row| row.placed.event.seq).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    let before = store.db.list_log(&all(), Some(3), 1).await.unwrap();
    assert_eq!(before[0].values["actor_name"], "alice");
    let verified = store.db.verify_log([], |_| {}).await.unwrap().unwrap();
    assert_eq!((verified.events, verified.erased), (3, 0));
}

pub async fn a_checkpoint_is_made_once_for_a_state_and_known_again(store: Store) {
    assert_eq!(store.db.next_checkpoint(NOW).await.unwrap(), None);
    store.log_in("alice", &[]).await;
    let (checkpoint, events) = store.db.next_checkpoint(NOW).await.unwrap().unwrap();
    assert_eq!((checkpoint.seq, events), (1, 1));
    let row = CheckpointRow { checkpoint, signature: vec![7; 64] };
    store.db.add_checkpoint(&row).await.unwrap();
    store.db.add_checkpoint(&row).await.unwrap();
    assert_eq!(store.db.next_checkpoint(LATER).await.unwrap(), None);
    assert_eq!(store.db.list_checkpoints().await.unwrap(), [row]);
    assert!(store.db.agrees_with(&checkpoint).await.unwrap());
    let other = crate::domain::audit::Checkpoint { seq: 2, ..checkpoint };
    assert!(!store.db.agrees_with(&other).await.unwrap());
}

pub async fn who_is_erased_leaves_nothing_behind_and_the_log_whole(store: Store) {
    let (key, secret) = store.token().await;
    let named = Draft::new(
        Action::TokenEdited,
        Party::user(key.owner, "alice"),
        Party::token(key.id, "secret plans"),
        &Origin::default(),
    );
    store.db.record(&named.about(key.owner), NOW).await.unwrap();
    let erased = Draft::new(Action::UserErased, Party::OPERATOR, Party::SYSTEM, &Origin::default()).about(key.owner);
    assert!(store.db.erase_user(key.owner, &erased, LATER).await.unwrap());
    assert!(!store.db.erase_user(UserId::from_random([9; 16]), &erased, LATER).await.unwrap());
    let user = store.db.lookup_user(key.owner).await.unwrap().unwrap();
    assert_eq!((user.profile.username.as_str(), user.disabled_at), ("erased", Some(LATER)));
    assert!(store.db.lookup_check(secret).await.unwrap().unwrap().token.revoked_at.is_some());
    let verified = store.db.verify_log([], |_| {}).await.unwrap().unwrap();
    assert_eq!(verified.erased, 2);
    let rows = store.db.list_log(&LogFilter::default(), None, 9).await.unwrap();
    assert!(rows.iter().all(|row| row.values.is_empty()), "{rows:?}");
    let actions = store.actions().await;
    assert_eq!(actions[actions.len() - 3..], ["user.erased", "token.revoked", "session.ended"]);
    let about = LogFilter { object: key.id.to_string(), action: "token.revoked".to_owned(), ..LogFilter::default() };
    let end = store.db.list_log(&about, None, 9).await.unwrap();
    assert_eq!(
        (end.len(), end[0].placed.event.on_behalf_of.as_ref()),
        (1, erased.subject.map(|id| id.to_string()).as_ref())
    );
}

pub async fn who_was_refused_before_they_were_known_is_forgotten_with_all_else(store: Store) {
    let identity = |subject: &str| ExternalIdentity { issuer: "https://id".to_owned(), subject: subject.to_owned() };
    let elsewhere = ExternalIdentity { issuer: "https://other".to_owned(), subject: "alice".to_owned() };
    for stranger in [identity("alice"), identity("mallory"), elsewhere] {
        let draft = Draft::new(Action::UserLoginRefused, Party::stranger("ally"), Party::SYSTEM, &Origin::default());
        store.db.record(&draft.refused("required_roles").of_stranger(&stranger), NOW).await.unwrap();
    }
    let values = async || {
        let rows = store.db.list_log(&LogFilter::default(), None, 9).await.unwrap();
        let strangers = rows.into_iter().filter(|row| row.placed.event.action == "user.login_refused");
        strangers.map(|row| row.values.len()).collect::<Vec<_>>()
    };
    let alice = store.log_in("alice", &[]).await;
    assert_eq!(values().await, [3, 3, 3], "name, issuer and subject");
    let erased = Draft::new(Action::UserErased, Party::OPERATOR, Party::SYSTEM, &Origin::default()).about(alice);
    assert!(store.db.erase_user(alice, &erased, LATER).await.unwrap());
    assert_eq!(values().await, [3, 3, 0], "and of nobody else");
    assert_eq!(store.db.verify_log([], |_| {}).await.unwrap().unwrap().erased, 3);
}

/// More events of one user than two strides look at, of which the first is another. Nobody verifies them.
const MANY_EVENTS: &str = "
    INSERT INTO audit_events (seq, id, time, action, actor_type, actor_id, object_type, object_id, result, replica, version,
        changes, personal, prev_hash, hash)
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 11000)
    SELECT e.seq + i, {new_id}, e.time, CASE i WHEN 1 THEN 'token.created' ELSE 'token.edited' END, 'user', '{user}', 'token',
        'x', CASE i WHEN 1 THEN 'done' ELSE 'refused' END, 'r', '0', '{}', '{}', e.prev_hash, e.hash
    FROM n, (SELECT * FROM audit_events ORDER BY seq DESC LIMIT 1) e;
    INSERT INTO audit_of_users (user_id, seq) SELECT {user_id}, seq FROM audit_events WHERE object_id = 'x'";

pub async fn what_is_rare_among_very_many_events_is_found_a_stride_at_a_time(store: Store) {
    let user = store.log_in("alice", &[]).await;
    let hex = user.as_uuid().simple();
    let (new_id, user_id) = match &store.db.engine {
        Engine::Sqlite(_) => ("randomblob(16)", format!("x'{hex}'")),
        Engine::Postgres(_) => ("gen_random_uuid()", format!("'{user}'")),
    };
    let filled =
        MANY_EVENTS.replace("{new_id}", new_id).replace("{user_id}", &user_id).replace("{user}", &user.to_string());
    let filled = sqlx::raw_sql(sqlx::AssertSqlSafe(filled));
    match &store.db.engine {
        Engine::Sqlite(engine) => drop(filled.execute(&engine.write).await.unwrap()),
        Engine::Postgres(engine) => drop(filled.execute(&engine.pool).await.unwrap()),
    }
    let action = "token.created".to_owned();
    let of_user = LogFilter { user: Some(user), action: action.clone(), ..LogFilter::default() };
    let of_actor = LogFilter { actor: user.to_string(), action: action.clone(), ..LogFilter::default() };
    let of_object = LogFilter { object: "x".to_owned(), action, ..LogFilter::default() };
    let never = LogFilter { user: Some(user), action: "token.revoked".to_owned(), ..LogFilter::default() };
    let done = LogFilter { action: "token.edited".to_owned(), result: "done".to_owned(), ..LogFilter::default() };
    for (filter, count) in [(of_user, 1), (of_actor, 1), (of_object, 1), (never, 0), (done, 0)] {
        let (mut found, mut before, mut strides) = (0, None, 0);
        loop {
            let part = store.db.walk_log(&filter, before, 9).await.unwrap();
            found += part.rows.len();
            strides += 1;
            before = part.on;
            if before.is_none() {
                break;
            }
        }
        assert_eq!((found, strides), (count, 3), "{filter}");
    }
    let many = LogFilter { user: Some(user), action: "token.edited".to_owned(), ..LogFilter::default() };
    let part = store.db.walk_log(&many, None, 9).await.unwrap();
    assert_eq!((part.rows.len(), part.on), (9, Some(part.rows[8].placed.event.seq)));
}
