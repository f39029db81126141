//! What a database must do, whatever it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::Executor as _;

use super::tokens::sql;
use super::*;
use crate::domain::audit::{Action, Draft, Origin, Party};
use crate::domain::id::{SessionId, TokenId, UserId};
use crate::domain::scope::ScopeSet;
use crate::domain::secret::{PlainToken, SecretId};
use crate::domain::time::Timestamp;
use crate::domain::token::SecretState;
use crate::domain::user::{ExternalIdentity, Profile};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const LATER: Timestamp = Timestamp::from_seconds(1_800_000_060);

/// Different bytes each time, the same in each run.
struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        use sha2::Digest as _;
        for chunk in buffer.chunks_mut(32) {
            let block = sha2::Sha256::digest(self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes());
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}

struct Store {
    db: Db,
    entropy: Arc<Seeded>,
    _folder: tempfile::TempDir,
}

impl Store {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let entropy = Arc::new(Seeded(AtomicU64::new(0)));
        let path = folder.path().join("test.db");
        let options = DbOptions {
            path: &path,
            readers: 4,
            entropy: entropy.clone(),
            replica: "test",
            queries: Counter::noop(),
            watcher: Arc::new(NoWatcher),
        };
        let db = Db::open(options).await.unwrap();
        Self { db, entropy, _folder: folder }
    }

    async fn log_in(&self, subject: &str, roles: &[&str]) -> UserId {
        let identity = ExternalIdentity { issuer: "https://id".to_owned(), subject: subject.to_owned() };
        let roles = roles.iter().map(ToString::to_string).collect();
        let profile = Profile { username: subject.to_owned(), roles, ..Profile::default() };
        let session = NewSession {
            id_hash: crate::domain::entropy::bytes(&*self.entropy),
            id: SessionId::from_random(crate::domain::entropy::bytes(&*self.entropy)),
            provider_sid: None,
            auth_time: NOW,
        };
        let new_id = UserId::from_random(crate::domain::entropy::bytes(&*self.entropy));
        let login = LoginRow { identity: &identity, provider: "main", profile: &profile, new_id, session: &session };
        let mut user = None;
        let event = |id, _| {
            user = Some(id);
            event(Action::UserLoggedIn)
        };
        assert!(self.db.log_in(&login, event, NOW).await.unwrap());
        user.unwrap()
    }

    fn new_secret(&self, expires_at: Option<Timestamp>, limit: u32) -> NewSecret {
        let plain = PlainToken::generate(&"hpat".parse().unwrap(), |buffer| self.entropy.fill(buffer));
        NewSecret {
            id: plain.id(),
            expires_at,
            phc: format!("$argon2id${}", "x".repeat(80)),
            hmac: [1; 32],
            hmac_key_id: "0123456789abcdef".to_owned(),
            form_key: None,
            limit,
        }
    }

    async fn add(&self, owner: UserId, name: &str, secret: &NewSecret) -> (TokenKey, AddOutcome) {
        let key = TokenKey { id: TokenId::from_random(crate::domain::entropy::bytes(&*self.entropy)), owner };
        let scopes = ScopeSet::parse("a b").unwrap();
        let token = NewToken { key, name, description: "", scopes: &scopes, allowed_ips: &[] };
        (key, self.db.add_token(&token, secret, &event(Action::TokenCreated), NOW).await.unwrap())
    }

    async fn token(&self) -> (TokenKey, SecretId) {
        let owner = self.log_in("alice", &[]).await;
        let secret = self.new_secret(Some(LATER), 10);
        let (key, outcome) = self.add(owner, "token", &secret).await;
        assert_eq!(outcome, AddOutcome::Added);
        (key, secret.id)
    }

    /// The newest events' actions, after checking the whole chain.
    async fn actions(&self) -> Vec<String> {
        let events = self.db.list_events(0, 1_000).await.unwrap();
        let mut previous = [0; 32];
        for (index, placed) in events.iter().enumerate() {
            assert_eq!(placed.event.seq, i64::try_from(index).unwrap() + 1);
            assert_eq!(placed.event.prev_hash, previous);
            assert_eq!(placed.event.hash(), placed.hash);
            previous = placed.hash;
        }
        events.into_iter().map(|placed| placed.event.action).collect()
    }
}

fn event(action: Action) -> Draft {
    Draft::new(action, Party::SYSTEM, Party::SYSTEM, &Origin::default())
}

#[tokio::test]
async fn every_statement_can_be_prepared() {
    let store = Store::new().await;
    let statements = [
        PING,
        settings::LOOKUP_SETTING,
        settings::ADD_SETTING,
        signing_keys::LIST_SIGNING_KEYS,
        signing_keys::ADD_SIGNING_KEY,
        signing_keys::RAISE_TTL,
        signing_keys::WITHDRAW_SIGNING_KEY,
        users::LOOKUP_USER,
        users::FIND_USER,
        users::FIND_USER_BY_IDENTITY,
        users::ADD_USER,
        users::REFRESH_USER,
        sessions::ADD_SESSION,
        sessions::LOOKUP_SESSION,
        sessions::TOUCH_SESSION,
        sessions::END_SESSION,
        sessions::DELETE_OLD_SESSIONS,
        audit::FIND_HEAD,
        audit::ADD_EVENT,
        audit::ADD_PERSONAL,
        audit::LIST_HISTORY,
        audit::LIST_EVENTS,
        notices::ADD_NOTICE,
        notices::FIND_NOTICE,
        notices::LIST_NOTICES,
        notices::DELETE_NOTICE,
        usage::MARK_TOKEN_USED,
        users::FIND_OWNER,
        usage::MARK_SECRET_USED,
        usage::BACKFILL_HMAC,
        usage::LATCH_EXPIRY,
        usage::FIND_TOKEN_OF_SECRET,
        usage::FIND_OVERDUE,
        sql::LOOKUP_CHECK,
        sql::LIST_TOKENS,
        sql::LOOKUP_TOKEN,
        sql::COUNT_ACTIVE,
        sql::ADD_TOKEN,
        sql::ADD_SECRET,
        sql::FIND_FORM_KEY,
        sql::ADD_FORM_KEY,
        sql::DELETE_OLD_FORM_KEYS,
        sql::EDIT_TOKEN,
        sql::ADVANCE_TOKEN,
        sql::END_SECRETS,
        sql::REVOKE_TOKEN,
        census::COUNT_TOKENS,
    ];
    for statement in statements {
        let prepared = (&store.db.read).prepare(sqlx::SqlStr::from_static(statement)).await;
        assert!(prepared.is_ok(), "{statement}: {:?}", prepared.err());
    }
}

#[tokio::test]
async fn the_same_person_is_the_same_user_at_every_login_with_the_roles_of_the_last() {
    let store = Store::new().await;
    let first = store.log_in("alice", &["staff"]).await;
    let second = store.log_in("alice", &["boss"]).await;
    let other = store.log_in("bob", &[]).await;
    assert_eq!(first, second);
    assert_ne!(first, other);
    let user = store.db.lookup_user(first).await.unwrap().unwrap();
    assert_eq!(user.profile.roles.into_iter().collect::<Vec<_>>(), ["boss"]);
}

#[tokio::test]
async fn a_check_finds_secret_token_and_owner_in_one_row() {
    let store = Store::new().await;
    let (key, secret) = store.token().await;
    let row = store.db.lookup_check(secret).await.unwrap().unwrap();
    assert_eq!((row.token_id, row.owner.id), (key.id, key.owner));
    assert_eq!((row.secret.state, row.secret.expires_at), (SecretState::Active, Some(LATER)));
    assert_eq!(row.scopes.to_string(), "a b");
    assert_eq!(store.db.lookup_check("0000000000000000".parse().unwrap()).await.unwrap().map(|row| row.token_id), None);
}

#[tokio::test]
async fn the_limit_counts_what_could_be_used_now() {
    let store = Store::new().await;
    let owner = store.log_in("alice", &[]).await;
    let (_, first) = store.add(owner, "expires at once", &store.new_secret(Some(LATER), 1)).await;
    let (_, second) = store.add(owner, "one too many", &store.new_secret(Some(LATER), 1)).await;
    assert_eq!((first, second), (AddOutcome::Added, AddOutcome::LimitReached));
    assert_eq!(store.actions().await, ["user.logged_in", "token.created"]);
}

#[tokio::test]
async fn a_used_form_leads_to_what_it_made() {
    let store = Store::new().await;
    let owner = store.log_in("alice", &[]).await;
    let form = |secret| NewSecret { form_key: Some([7; 32]), ..secret };
    let (key, first) = store.add(owner, "one", &form(store.new_secret(None, 9))).await;
    let (_, second) = store.add(owner, "two", &form(store.new_secret(None, 9))).await;
    assert_eq!((first, second), (AddOutcome::Added, AddOutcome::FormUsed(key.id)));
}

#[tokio::test]
async fn a_new_secret_ends_the_old_one_and_only_one_change_of_a_version_wins() {
    let store = Store::new().await;
    let (key, old) = store.token().await;
    let event = event(Action::TokenRegenerated);
    let regenerate = async |secret: &NewSecret| store.db.regenerate_token(key, 1, secret, &event, NOW).await.unwrap();
    let new = store.new_secret(None, 10);
    assert_eq!(regenerate(&new).await, AddOutcome::Added);
    assert_eq!(regenerate(&store.new_secret(None, 10)).await, AddOutcome::Stale);
    let state = async |id| store.db.lookup_check(id).await.unwrap().unwrap().secret.state;
    assert_eq!(state(old).await, SecretState::Ended);
    assert_eq!(state(new.id).await, SecretState::Active);
    assert_eq!(store.db.lookup_token(key).await.unwrap().unwrap().secrets.len(), 2);
}

#[tokio::test]
async fn an_edit_is_decided_on_the_version_that_was_read() {
    let store = Store::new().await;
    let (key, _) = store.token().await;
    let scopes = ScopeSet::parse("a").unwrap();
    let edit = |version| Edit { version, name: "renamed", description: "why", scopes: &scopes };
    let event = event(Action::TokenEdited);
    let outcome = async |version| store.db.edit_token(key, &edit(version), &event, NOW).await.unwrap();
    assert_eq!(outcome(1).await, ChangeOutcome::Changed);
    assert_eq!(outcome(1).await, ChangeOutcome::Stale);
    let row = store.db.lookup_token(key).await.unwrap().unwrap();
    assert_eq!((row.name.as_str(), row.version, row.scopes), ("renamed", 2, scopes.clone()));
}

#[tokio::test]
async fn a_revocation_ends_every_secret_and_happens_once() {
    let store = Store::new().await;
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

#[tokio::test]
async fn somebody_elses_token_is_not_there() {
    let store = Store::new().await;
    let (key, _) = store.token().await;
    let stranger = TokenKey { owner: store.log_in("eve", &[]).await, ..key };
    assert_eq!(store.db.lookup_token(stranger).await.unwrap(), None);
    let outcome = store.db.revoke_token(stranger, None, None, &event(Action::TokenRevoked), NOW).await.unwrap();
    assert_eq!(outcome, ChangeOutcome::Stale);
}

#[tokio::test]
async fn a_list_goes_on_where_it_stopped_and_finds_text_as_it_is_typed() {
    let store = Store::new().await;
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

#[tokio::test]
async fn uses_only_move_forward() {
    let store = Store::new().await;
    let (key, secret) = store.token().await;
    let at = |at, ip: &str| Use { token: key.id, secret, at, ip: Some(ip.parse().unwrap()) };
    store.db.mark_used(&[at(LATER, "192.0.2.2")]).await.unwrap();
    store.db.mark_used(&[at(NOW, "192.0.2.1")]).await.unwrap();
    let row = store.db.lookup_token(key).await.unwrap().unwrap();
    assert_eq!((row.last_used_at, row.last_used_ip.as_deref()), (Some(LATER), Some("192.0.2.2")));
    assert_eq!(row.secrets[0].last_used_at, Some(LATER));
}

#[tokio::test]
async fn an_expiry_is_noticed_once_and_for_ever() {
    let store = Store::new().await;
    let (_, secret) = store.token().await;
    assert_eq!(store.db.find_overdue(NOW, 10).await.unwrap(), []);
    assert_eq!(store.db.find_overdue(LATER, 10).await.unwrap(), [secret]);
    store.db.latch_expiry(secret, LATER).await.unwrap();
    store.db.latch_expiry(secret, LATER).await.unwrap();
    assert_eq!(store.db.find_overdue(LATER, 10).await.unwrap(), []);
    assert_eq!(store.actions().await.last().unwrap(), "token.expired");
    assert_eq!(store.actions().await.len(), 3);
}

#[tokio::test]
async fn a_session_that_was_ended_stays_ended() {
    let store = Store::new().await;
    store.log_in("alice", &[]).await;
    let hash: Vec<u8> = sqlx::query_scalar("SELECT id_hash FROM sessions").fetch_one(&store.db.read).await.unwrap();
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

#[tokio::test]
async fn history_that_is_final_cannot_be_rewritten_by_hand() {
    let store = Store::new().await;
    let (key, secret) = store.token().await;
    store.db.latch_expiry(secret, LATER).await.unwrap();
    store.db.revoke_token(key, None, None, &event(Action::TokenRevoked), NOW).await.unwrap();
    let forbidden = [
        "DELETE FROM tokens",
        "DELETE FROM secrets",
        "DELETE FROM audit_events",
        "UPDATE tokens SET revoked_at = NULL",
        "UPDATE tokens SET revoked_at = revoked_at + 1",
        "UPDATE secrets SET state = 'active', ended_at = NULL",
        "UPDATE secrets SET expired_at = NULL",
        "UPDATE secrets SET expires_at = NULL",
        "UPDATE audit_events SET action = 'nothing'",
        "UPDATE audit_personal SET value = 'nobody'",
    ];
    for statement in forbidden {
        assert!(sqlx::query(statement).execute(&store.db.write).await.is_err(), "{statement}");
    }
}

#[tokio::test]
async fn a_token_never_has_two_current_secrets() {
    let store = Store::new().await;
    store.token().await;
    let copy = "INSERT INTO secrets (id, token_id, state, created_at, phc)
        SELECT 'BBBBBBBBBBBBBBBB', token_id, $1, created_at, phc FROM secrets LIMIT 1";
    assert!(sqlx::query(copy).bind("active").execute(&store.db.write).await.is_err());
    assert!(sqlx::query(copy).bind("superseded").execute(&store.db.write).await.is_ok());
}

#[tokio::test]
async fn the_census_counts_each_token_once() {
    let store = Store::new().await;
    let (revoked, _) = store.token().await;
    store.add(revoked.owner, "good", &store.new_secret(None, 10)).await;
    store.add(revoked.owner, "soon", &store.new_secret(Some(LATER), 10)).await;
    store.db.revoke_token(revoked, None, None, &event(Action::TokenRevoked), NOW).await.unwrap();
    let count =
        async |now, away_since| store.db.count_tokens(CensusRules { now, soon: LATER, away_since }).await.unwrap();
    let before = Timestamp::from_seconds(0);
    assert_eq!(count(NOW, before).await, Census { revoked: 1, active: 2, expiring: 1, ..Census::default() });
    assert_eq!(count(LATER, before).await, Census { revoked: 1, expired: 1, active: 1, ..Census::default() });
    assert_eq!(count(NOW, LATER).await, Census { revoked: 1, suspended: 2, ..Census::default() });
}
