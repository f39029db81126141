//! What a database must do, whatever it is.

mod administration;
#[path = "../../../../tests/it/support/cluster.rs"]
mod cluster;
mod guards;
mod pools;
mod rules;
mod shared;
mod statements;
mod states;
mod tampering;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::domain::audit::{Action, Draft, Origin, Party};
use crate::domain::id::{SessionId, TokenId, UserId};
use crate::domain::lease::{Moment, SteadyClock, Terms};
use crate::domain::lifetime::LifetimePolicy;
use crate::domain::scope::ScopeSet;
use crate::domain::secret::{PlainToken, SecretId};
use crate::domain::time::Timestamp;
use crate::domain::user::{ExternalIdentity, Profile};

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
const LATER: Timestamp = Timestamp::from_seconds(1_700_000_060);

/// Nothing has lived for longer than is allowed.
const LIFETIME: LifetimePolicy = LifetimePolicy { default: Duration::MAX, max: Duration::MAX, allow_never: true };

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

/// A clock that goes on.
#[derive(Debug)]
struct Ticking(Instant);

impl SteadyClock for Ticking {
    fn moment(&self) -> Moment {
        Moment::default().after(self.0.elapsed())
    }
}

struct Store {
    db: Db,
    entropy: Arc<Seeded>,
    home: Home,
}

/// Where a database of a test lives.
enum Home {
    Folder(tempfile::TempDir),
    Server(PostgresPlace),
}

impl Home {
    async fn open(&self, entropy: Arc<Seeded>) -> Result<Db, StoreError> {
        let path;
        let place = match self {
            Self::Folder(folder) => {
                path = folder.path().join("test.db");
                Place::Sqlite(&path)
            }
            Self::Server(place) => Place::Postgres(place),
        };
        let (meters, watcher) = (Meters::none(), Arc::new(NoWatcher));
        Db::open(DbOptions { place, connections: 4, entropy, replica: "test", meters, watcher }).await
    }
}

impl Store {
    async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::open(Home::Folder(folder)).await
    }

    async fn on_postgres() -> Self {
        Self::open(Home::Server(place(cluster::new_database().await))).await
    }

    async fn open(home: Home) -> Self {
        let entropy = Arc::new(Seeded(AtomicU64::new(0)));
        Self { db: home.open(entropy.clone()).await.unwrap(), entropy, home }
    }

    /// Opens the same database once more.
    async fn open_again(&self) -> Result<Db, StoreError> {
        self.home.open(self.entropy.clone()).await
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
        let event = |arrival: &Arrival| {
            user = Some(arrival.id);
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
            lifetime: LIFETIME,
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
        assert!(matches!(outcome, AddOutcome::Added(_)));
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

fn place(url: String) -> PostgresPlace {
    PostgresPlace {
        url: url.into(),
        direct_url: None,
        require_sync: false,
        terms: Terms::new(Duration::from_millis(100), 10),
        clock: Arc::new(Ticking(Instant::now())),
    }
}

fn event(action: Action) -> Draft {
    Draft::new(action, Party::SYSTEM, Party::SYSTEM, &Origin::default())
}

/// Makes two tests of each rule.
macro_rules! on_both_engines {
    ($($module:ident: $($rule:ident)+;)+) => {
        mod on_sqlite {
            $($(#[tokio::test]
            async fn $rule() {
                super::$module::$rule(super::Store::on_sqlite().await).await;
            })+)+
        }

        mod on_postgres {
            $($(#[tokio::test]
            async fn $rule() {
                super::$module::$rule(super::Store::on_postgres().await).await;
            })+)+
        }
    };
}

on_both_engines! {
    rules:
    the_same_person_is_the_same_user_at_every_login_with_the_roles_of_the_last
    a_check_finds_secret_token_and_owner_in_one_row
    the_limit_counts_what_could_be_used_now
    a_used_form_leads_to_what_it_made
    a_new_secret_ends_the_old_one_and_only_one_change_of_a_version_wins
    the_current_secret_stands_first_whatever_the_clocks_were
    an_edit_is_decided_on_the_version_that_was_read
    a_revocation_ends_every_secret_and_happens_once
    somebody_elses_token_is_not_there
    a_list_goes_on_where_it_stopped_and_finds_text_as_it_is_typed
    uses_only_move_forward
    an_expiry_is_noticed_once_and_for_ever
    a_session_that_was_ended_stays_ended
    a_token_never_has_two_current_secrets
    the_census_counts_each_token_once
    a_schema_that_is_one_ahead_is_borne_with_and_a_later_one_is_not
    uses_of_several_secrets_of_one_token_are_noted_with_the_last;
    guards:
    what_is_final_cannot_be_undone_by_hand
    a_signing_key_is_withdrawn_together_with_its_private_half;
    pools:
    nobody_waits_for_a_connection_longer_than_a_second;
    administration:
    few_tokens_are_found_by_what_few_have
    a_walk_meets_every_token_once_in_each_order_and_skips_what_cannot_fit
    an_edited_token_is_found_by_its_new_words_only
    many_are_revoked_together_each_with_its_event
    a_user_is_locked_out_once_by_somebody_who_is_not
    of_two_who_lock_each_other_out_at_once_one_remains
    names_are_told_of_those_who_are_known
    the_log_is_read_from_every_side
    what_is_rare_among_very_many_events_is_found_a_stride_at_a_time
    a_checkpoint_is_made_once_for_a_state_and_known_again
    who_is_erased_leaves_nothing_behind_and_the_log_whole
    who_was_refused_before_they_were_known_is_forgotten_with_all_else;
    states:
    tokens_are_found_and_counted_in_the_state_that_they_show
    what_has_run_out_by_the_longest_lifetime_alone_counts_nowhere
    a_search_finds_the_same_whichever_way_it_goes;
    tampering:
    whatever_is_done_to_the_log_is_found;
}
