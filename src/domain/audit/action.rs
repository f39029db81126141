//! What events tell of.

use crate::domain::reason::Code;

/// Makes the list of actions, each with its lasting name.
macro_rules! actions {
    ($($(#[$meta:meta])+ $action:ident = $name:literal,)+) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Action {
            $($(#[$meta])+ $action,)+
        }

        impl Action {
            /// All of them, in the order in which they are offered.
            pub const ALL: &[Self] = &[$(Self::$action),+];

            /// The action's lasting name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$action => $name),+ }
            }
        }
    };
}

actions! {
    /// A token was made.
    TokenCreated = "token.created",
    /// Name, description or scopes were changed.
    TokenEdited = "token.edited",
    /// A token got a new secret.
    TokenRegenerated = "token.regenerated",
    /// A token was ended.
    TokenRevoked = "token.revoked",
    /// A token was found where it should not be, and left as it is.
    TokenReported = "token.reported",
    /// Somebody used a token that is over, for the first time in an hour.
    TokenUsedAfterEnd = "token.used_after_end",
    /// A secret was found to have run out.
    TokenExpired = "token.expired",
    /// A login was completed.
    UserLoggedIn = "user.logged_in",
    /// A verified login was not let in.
    UserLoginRefused = "user.login_refused",
    /// Somebody logged out.
    UserLoggedOut = "user.logged_out",
    /// An administrator locked somebody out.
    UserDisabled = "user.disabled",
    /// An administrator let somebody in again.
    UserEnabled = "user.enabled",
    /// The personal values of somebody were removed from the log.
    UserErased = "user.erased",
    /// A browser session was ended other than by its user logging out.
    SessionEnded = "session.ended",
    /// Checks were refused: many in one event.
    ChecksRefused = "check.refused",
    /// The next key that signs JWTs was made.
    KeyRotated = "key.rotated",
    /// A key that signed JWTs is no longer needed, and its private half was removed.
    KeyWithdrawn = "key.withdrawn",
    /// A part of the log was taken away as a file.
    AuditExported = "audit.exported",
    /// A server started with a configuration that gives other rights than before.
    SettingsChanged = "settings.changed",
    /// A database that had gone back to an earlier state was taken for the true one.
    RestoreAcknowledged = "restore.acknowledged",
    /// The installation was moved to another database.
    StoreMigrated = "store.migrated",
}

impl Action {
    /// By its lasting name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.as_str() == name)
    }

    /// Whether it is done by users, or for them: everything else is the installation's.
    #[must_use]
    pub fn is_of_a_user(self) -> bool {
        ["token.", "user.", "session."].iter().any(|kind| self.as_str().starts_with(kind))
    }
}

/// Whether somebody acted who had found a token: they have it, and say that it leaked. Everybody else who acts with a token is
/// taken for its owner.
#[must_use]
pub fn is_finder(actor: &str, reason: Option<&str>) -> bool {
    actor == "token" && reason == Some(Code::Leaked.as_str())
}
