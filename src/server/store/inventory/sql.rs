//! The statements. `$1` and so on mean the same in all of one kind.

use crate::server::store::standing::{is_due, state};

/// Columns of a token with one of its secrets and its owner, from tokens that are given as `t`.
macro_rules! rows_of {
    ($tokens:expr, $order:literal) => {
        concat!(
            "SELECT t.id, t.name, t.description, t.scopes, t.allowed_ips, t.created_at, t.revoked_at, t.revoked_reason,
                t.last_used_at, t.last_used_ip, t.version,
                s.id AS secret_id, s.state AS secret_state, s.created_at AS secret_created_at, s.expires_at, s.ends_at,
                s.ended_at, s.expired_at, s.last_used_at AS secret_last_used_at,
                u.id AS owner_id, u.provider, u.username, u.email, u.roles, u.attributes, u.last_login_at, u.disabled_at
            FROM (",
            $tokens,
            ") t JOIN secrets s ON s.token_id = t.id JOIN users u ON u.id = t.owner_id
            ORDER BY ",
            $order,
            ", s.state <> 'active', s.created_at DESC, s.id"
        )
    };
}

/// The state of a token (`$8` to `$12` are what it depends on), or something that depends on it.
macro_rules! of_state {
    ($before:literal, $after:expr) => {
        concat!(
            "(SELECT ",
            $before,
            state!("$8", "$9", "$10", "$11", "$12"),
            $after,
            " FROM secrets s JOIN users u ON u.id = t.owner_id WHERE s.token_id = t.id AND s.state = 'active')"
        )
    };
}

/// Whether a token `t` fits a filter: text (`$1`; ids from `$2` to `$3`, public ids of secrets from `$4` to before `$5`),
/// scope (`$6`), state (`$7`), unused since `$13`, owner (`$14`), made before `$15`, good and running out by `$16` (with `$17`
/// and `$18`), not revoked (`$19`). What is not asked costs nothing.
macro_rules! fits {
    () => {
        concat!(
            "($1 = '' OR lower(t.name || ' ' || t.description) LIKE $1 ESCAPE '\\'
                OR t.owner_id IN (SELECT id FROM users
                    WHERE lower(username) LIKE $1 ESCAPE '\\' OR lower(email) LIKE $1 ESCAPE '\\')
                OR (t.id >= $2 AND t.id <= $3)
                OR t.id IN (SELECT token_id FROM secrets WHERE id >= $4 AND id < $5))
            AND ($6 = '' OR replace(' ' || t.scopes || ' ', $6, '') <> ' ' || t.scopes || ' ')
            AND ($7 = '' OR $7 = coalesce(",
            of_state!("", ""),
            ", 'revoked'))
            AND (coalesce(t.last_used_at, t.created_at) < $13 OR $13 IS NULL)
            AND (t.owner_id = $14 OR $14 IS NULL)
            AND (t.created_at < $15 OR $15 IS NULL)
            AND (CAST($16 AS BIGINT) IS NULL OR ",
            of_state!("'active' = ", concat!(" AND ", is_due!("$16", "$17", "$18"))),
            ")
            AND ($19 = '' OR t.revoked_at IS NULL)"
        )
    };
}

/// Tokens that one stride looks at. It stands in the statements: PostgreSQL takes a parameter there for a tenth of the table,
/// and sorts all of it instead of following an index.
macro_rules! stride_length {
    () => {
        5_000
    };
}

/// The tokens of one stride behind a place (`$20`, `$21`) in an order. PostgreSQL finds a place by its index only where the
/// order's first column is compared with it outside of any `OR`.
macro_rules! stride {
    ($after:expr, $order:literal) => {
        concat!("(SELECT * FROM tokens WHERE ", $after, " ORDER BY ", $order, " LIMIT ", stride_length!(), ") t")
    };
}

/// Looks at so many tokens, and gives at most `$22` of those that fit.
macro_rules! walk {
    ($after:expr, $order:literal, $outer:literal) => {
        rows_of!(
            concat!("SELECT * FROM ", stride!($after, $order), " WHERE ", fits!(), " ORDER BY ", $order, " LIMIT $22"),
            $outer
        )
    };
}

/// The last of the tokens that a walk from a place (`$1`, `$2`) has looked at.
macro_rules! end_of_walk {
    ($key:literal, $after:expr, $order:literal) => {
        concat!(
            "SELECT ",
            $key,
            ", id FROM tokens WHERE ",
            $after,
            " ORDER BY ",
            $order,
            " LIMIT 1 OFFSET ",
            stride_length!(),
            " - 1"
        )
    };
}

/// How to go through tokens, newest first.
pub struct ByAge {
    /// Looks at so many, and gives at most `$22` of those that fit.
    pub walk: &'static str,
    /// The same, of which only the places are given.
    pub places: &'static str,
    /// The same, which are only counted.
    pub count: &'static str,
    /// The last of them.
    pub end: &'static str,
}

/// The tokens of one stride, newest first, of those that a condition leaves; there has to be an index for these.
macro_rules! stride_by_age {
    ($among:literal) => {
        stride!(concat!($among, "created_at <= $20 AND (created_at < $20 OR id > $21)"), "created_at DESC, id")
    };
}

/// The condition is said once more for the last of them, which takes other parameters.
macro_rules! by_age {
    ($among:literal, $among_at_end:literal) => {
        ByAge {
            walk: rows_of!(
                concat!(
                    "SELECT * FROM ",
                    stride_by_age!($among),
                    " WHERE ",
                    fits!(),
                    " ORDER BY created_at DESC, id LIMIT $22"
                ),
                "t.created_at DESC, t.id"
            ),
            places: concat!(
                "SELECT t.id, t.created_at FROM ",
                stride_by_age!($among),
                " WHERE ",
                fits!(),
                " ORDER BY t.created_at DESC, t.id LIMIT $22"
            ),
            count: concat!("SELECT count(*) FROM ", stride_by_age!($among), " WHERE ", fits!()),
            end: end_of_walk!(
                "created_at",
                concat!($among_at_end, "created_at <= $1 AND (created_at < $1 OR id > $2)"),
                "created_at DESC, id"
            ),
        }
    };
}

pub const ALL_BY_AGE: ByAge = by_age!("", "");
/// Of one owner, who may have made very many.
pub const OWNED_BY_AGE: ByAge = by_age!("owner_id = $14 AND ", "owner_id = $3 AND ");
/// They are few among many.
pub const REVOKED_BY_AGE: ByAge = by_age!("revoked_at IS NOT NULL AND ", "revoked_at IS NOT NULL AND ");
/// What is ended step by step must not stand in the way of the next step.
pub const UNREVOKED_BY_AGE: ByAge = by_age!("revoked_at IS NULL AND ", "revoked_at IS NULL AND ");

pub const WALK_BY_NAME: &str =
    walk!("lower(name) >= $20 AND (lower(name) > $20 OR id > $21)", "lower(name), id", "lower(t.name), t.id");
pub const WALK_BY_USE: &str = walk!(
    "coalesce(last_used_at, created_at) >= $20 AND (coalesce(last_used_at, created_at) > $20 OR id > $21)",
    "coalesce(last_used_at, created_at), id",
    "coalesce(t.last_used_at, t.created_at), t.id"
);
pub const END_BY_NAME: &str =
    end_of_walk!("lower(name)", "lower(name) >= $1 AND (lower(name) > $1 OR id > $2)", "lower(name), id");
pub const END_BY_USE: &str = end_of_walk!(
    "coalesce(last_used_at, created_at)",
    "coalesce(last_used_at, created_at) >= $1 AND (coalesce(last_used_at, created_at) > $1 OR id > $2)",
    "coalesce(last_used_at, created_at), id"
);

/// Tokens by their ids.
pub const LIST_OF_SQLITE: &str =
    rows_of!("SELECT * FROM tokens WHERE id IN (SELECT unhex(value) FROM json_each($1))", "t.created_at DESC, t.id");
pub const LIST_OF_POSTGRES: &str = rows_of!("SELECT * FROM tokens WHERE id = ANY ($1)", "t.created_at DESC, t.id");

/// The same, if they fit.
pub const FITTING_OF_SQLITE: &str = rows_of!(
    concat!("SELECT * FROM tokens t WHERE t.id IN (SELECT unhex(value) FROM json_each($20)) AND ", fits!()),
    "t.created_at DESC, t.id"
);
pub const FITTING_OF_POSTGRES: &str =
    rows_of!(concat!("SELECT * FROM tokens t WHERE t.id = ANY ($20) AND ", fits!()), "t.created_at DESC, t.id");

/// What tokens are ordered by, of those that fit.
pub const MARKS_OF_SQLITE: &str = concat!(
    "SELECT t.id, t.name, t.created_at, t.last_used_at FROM tokens t
    WHERE t.id IN (SELECT unhex(value) FROM json_each($20)) AND ",
    fits!()
);
pub const MARKS_OF_POSTGRES: &str =
    concat!("SELECT t.id, t.name, t.created_at, t.last_used_at FROM tokens t WHERE t.id = ANY ($20) AND ", fits!());

/// A question for the ids of tokens `t`, which an index answers in both ways.
pub struct Find {
    /// Of all that it is true of.
    pub all: &'static str,
    /// Of those that are not revoked.
    pub unrevoked: &'static str,
}

macro_rules! find {
    ($question:literal, $limit:literal) => {
        Find {
            all: concat!($question, " LIMIT ", $limit),
            unrevoked: concat!($question, " AND t.revoked_at IS NULL LIMIT ", $limit),
        }
    };
}

/// A question for the ids of tokens with a word (`$1`), at most `$2`. Its index knows nothing of revocations.
pub struct FindWord {
    /// Of all that it is true of.
    pub all: &'static str,
    /// Of those that are not revoked, among the first that have it.
    pub unrevoked: &'static str,
    /// Whether there are no more than these first.
    pub is_all: &'static str,
}

/// So many that have a word are looked at for those that are not revoked.
macro_rules! looked_at {
    () => {
        20_000
    };
}

macro_rules! find_word {
    ($tokens:literal) => {
        FindWord {
            all: concat!("SELECT t.id FROM ", $tokens, " LIMIT $2"),
            unrevoked: concat!(
                "SELECT h.id FROM (SELECT t.id, t.revoked_at FROM ",
                $tokens,
                " LIMIT ",
                looked_at!(),
                ") h WHERE h.revoked_at IS NULL LIMIT $2"
            ),
            is_all: concat!(
                "SELECT count(*) < ",
                looked_at!(),
                " FROM (SELECT t.id FROM ",
                $tokens,
                " LIMIT ",
                looked_at!(),
                ") h"
            ),
        }
    };
}

/// Tokens with a text in name or description. SQLite cannot escape here and finds more than that. `CROSS JOIN` keeps it from
/// beginning with the tokens.
pub const FIND_TEXT_OF_SQLITE: FindWord =
    find_word!("token_texts x CROSS JOIN tokens t WHERE t.number = x.rowid AND x.text LIKE $1");
pub const FIND_TEXT_OF_POSTGRES: FindWord =
    find_word!("tokens t WHERE lower(t.name || ' ' || t.description) LIKE $1 ESCAPE '\\'");
pub const FIND_SCOPE_OF_SQLITE: FindWord =
    find_word!("token_texts x CROSS JOIN tokens t WHERE t.number = x.rowid AND x.scopes LIKE $1");
pub const FIND_SCOPE_OF_POSTGRES: FindWord = find_word!("tokens t WHERE t.scopes LIKE $1 ESCAPE '\\'");

/// The same here: owners are fewer, and their tokens have an index.
pub const FIND_OWNER_TEXT: Find = find!(
    "SELECT t.id FROM users u CROSS JOIN tokens t
    WHERE t.owner_id = u.id AND (lower(u.username) LIKE $1 ESCAPE '\\' OR lower(u.email) LIKE $1 ESCAPE '\\')",
    "$2"
);
pub const FIND_OWNED: Find = find!("SELECT t.id FROM tokens t WHERE t.owner_id = $1", "$2");
pub const FIND_ID: Find = find!("SELECT t.id FROM tokens t WHERE t.id >= $1 AND t.id <= $2", "$3");
pub const FIND_UNUSED: Find =
    find!("SELECT t.id FROM tokens t WHERE coalesce(t.last_used_at, t.created_at) < $1", "$2");
pub const FIND_SECRET: &str = "SELECT token_id FROM secrets WHERE id >= $1 AND id < $2 LIMIT $3";
pub const FIND_REVOKED: &str = "SELECT id FROM tokens WHERE revoked_at IS NOT NULL LIMIT $1";
pub const FIND_EXPIRED: &str = "SELECT token_id FROM secrets WHERE state = 'active' AND expires_at <= $1 LIMIT $2";
/// What was over once, whatever has changed since.
pub const FIND_NOTICED: &str =
    "SELECT token_id FROM secrets WHERE state = 'active' AND expired_at IS NOT NULL LIMIT $1";
/// What is older than the longest lifetime, which may have become shorter.
pub const FIND_TOO_OLD: &str = "
    SELECT token_id FROM secrets
    WHERE state = 'active' AND created_at <= $1 AND (expires_at IS NOT NULL OR created_at <= $2) LIMIT $3";
pub const FIND_OF_AWAY: &str = "
    SELECT t.id FROM users u CROSS JOIN tokens t
    WHERE t.owner_id = u.id AND (u.disabled_at IS NOT NULL OR u.last_login_at < $1) AND t.revoked_at IS NULL LIMIT $2";
pub const FIND_IDLE: &str =
    "SELECT id FROM tokens WHERE coalesce(last_used_at, created_at) < $1 AND revoked_at IS NULL LIMIT $2";
pub const FIND_EXPIRING: &str = "
    SELECT token_id FROM secrets WHERE state = 'active' AND expires_at > $1 AND expires_at <= $2 LIMIT $3";
/// What will be older than the longest lifetime before it would expire.
pub const FIND_AGEING: &str = "
    SELECT token_id FROM secrets
    WHERE state = 'active' AND created_at > $1 AND created_at <= $2
        AND (expires_at > $3 OR (expires_at IS NULL AND created_at <= $4)) LIMIT $5";

#[cfg(test)]
impl ByAge {
    pub const fn statements(&self) -> [&'static str; 4] {
        [self.walk, self.places, self.count, self.end]
    }
}

#[cfg(test)]
pub const BY_AGE: [ByAge; 4] = [ALL_BY_AGE, OWNED_BY_AGE, REVOKED_BY_AGE, UNREVOKED_BY_AGE];
#[cfg(test)]
pub const STATEMENTS: &[&str] = &[WALK_BY_NAME, WALK_BY_USE, END_BY_NAME, END_BY_USE];
#[cfg(test)]
pub const SEARCHES: &[&str] = &[
    FIND_OWNER_TEXT.all,
    FIND_OWNER_TEXT.unrevoked,
    FIND_OWNED.all,
    FIND_OWNED.unrevoked,
    FIND_ID.all,
    FIND_ID.unrevoked,
    FIND_UNUSED.all,
    FIND_UNUSED.unrevoked,
    FIND_SECRET,
    FIND_REVOKED,
    FIND_EXPIRED,
    FIND_NOTICED,
    FIND_TOO_OLD,
    FIND_OF_AWAY,
    FIND_IDLE,
    FIND_EXPIRING,
    FIND_AGEING,
];
#[cfg(test)]
pub const STATEMENTS_OF_SQLITE: &[&str] = &[
    LIST_OF_SQLITE,
    FITTING_OF_SQLITE,
    MARKS_OF_SQLITE,
    FIND_TEXT_OF_SQLITE.all,
    FIND_TEXT_OF_SQLITE.unrevoked,
    FIND_TEXT_OF_SQLITE.is_all,
    FIND_SCOPE_OF_SQLITE.all,
    FIND_SCOPE_OF_SQLITE.unrevoked,
    FIND_SCOPE_OF_SQLITE.is_all,
];
#[cfg(test)]
pub const STATEMENTS_OF_POSTGRES: &[&str] = &[
    LIST_OF_POSTGRES,
    FITTING_OF_POSTGRES,
    MARKS_OF_POSTGRES,
    FIND_TEXT_OF_POSTGRES.all,
    FIND_TEXT_OF_POSTGRES.unrevoked,
    FIND_TEXT_OF_POSTGRES.is_all,
    FIND_SCOPE_OF_POSTGRES.all,
    FIND_SCOPE_OF_POSTGRES.unrevoked,
    FIND_SCOPE_OF_POSTGRES.is_all,
];
