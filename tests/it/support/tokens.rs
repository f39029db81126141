//! Tokens whose secrets are known, as rows.

use hallpass::domain::entropy::{self, Entropy as _};
use hallpass::domain::id::{TokenId, UserId};
use hallpass::domain::secret::{PlainToken, Prefix};
use hallpass::server::ambient::SystemEntropy;
use hallpass::server::keys::{Keys, hex};

/// A token in the database.
pub struct Token {
    pub id: TokenId,
    pub secret: PlainToken,
}

impl Token {
    pub fn new() -> Self {
        Self {
            id: TokenId::from_random(entropy::bytes(&SystemEntropy)),
            secret: PlainToken::generate(&Prefix::default(), |bytes| SystemEntropy.fill(bytes)),
        }
    }
}

/// Statements that write tokens of a new owner, with proofs as the server makes them. `bytes` writes some that are given
/// in hexadecimal.
pub fn inserting(tokens: &[Token], keys: &Keys, bytes: impl Fn(&str) -> String) -> String {
    let owner = UserId::from_random(entropy::bytes(&SystemEntropy));
    let id = |uuid: uuid::Uuid| bytes(&uuid.simple().to_string());
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_micros();
    let user = format!(
        "INSERT INTO users (id, issuer, subject, provider, username, roles, attributes, created_at, last_login_at)
         VALUES ({}, 'https://id.example.org', '{owner}', 'main', 'alice', '[]', '{{}}', {now}, {now});",
        id(owner.as_uuid())
    );
    let token = |token: &Token| {
        format!(
            "INSERT INTO tokens (id, owner_id, name, description, scopes, allowed_ips, created_at)
             VALUES ({token}, {owner}, 't', '', 'read:users', '[]', {now});
             INSERT INTO secrets (id, token_id, state, created_at, phc, hmac, hmac_key_id)
             VALUES ('{secret}', {token}, 'active', {now}, '{phc}', {hmac}, '{key}');",
            secret = token.secret.id(),
            token = id(token.id.as_uuid()),
            owner = id(owner.as_uuid()),
            phc = "x".repeat(97),
            hmac = bytes(&hex(&keys.prove(token.secret.as_text()))),
            key = keys.id(),
        )
    };
    let tokens: String = tokens.iter().map(token).collect();
    format!("BEGIN; {user} {tokens} COMMIT")
}
