//! What the provider says about itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jsonwebtoken::jwk::JwkSet;
use serde_json::{Value, json};

use super::Provider;

/// `GET /.well-known/openid-configuration` (OIDC Discovery 1.0, section 3). Only ES256 is offered, although
/// the standard asks every provider for RS256: the one client here reads both.
pub async fn metadata(State(provider): State<Arc<Provider>>) -> Json<Value> {
    let issuer = &provider.settings.issuer;
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "jwks_uri": format!("{issuer}/jwks"),
        "end_session_endpoint": format!("{issuer}/end_session"),
        "scopes_supported": ["openid", "profile", "email"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": [
            "iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "nonce", "at_hash",
            "preferred_username", "name", "email", "email_verified", "groups", "department",
        ],
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "authorization_response_iss_parameter_supported": true,
    }))
}

/// `GET /jwks` (RFC 7517, section 5).
pub async fn jwks(State(provider): State<Arc<Provider>>) -> Json<JwkSet> {
    Json(provider.key.jwks().clone())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Demo, ISSUER};

    #[tokio::test]
    async fn the_metadata_name_the_issuer_and_what_is_supported() {
        let metadata = Demo::new().get("/.well-known/openid-configuration").await.json();
        assert_eq!(metadata["issuer"], ISSUER);
        assert_eq!(metadata["authorization_endpoint"], format!("{ISSUER}/authorize"));
        assert_eq!(metadata["code_challenge_methods_supported"][0], "S256");
        assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    }

    #[tokio::test]
    async fn every_address_in_the_metadata_exists() {
        let demo = Demo::new();
        let metadata = demo.get("/.well-known/openid-configuration").await.json();
        for name in
            ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint"]
        {
            let path = metadata[name].as_str().unwrap().strip_prefix(ISSUER).unwrap();
            assert_ne!(demo.get(path).await.status, 404, "{name}");
        }
    }
}
