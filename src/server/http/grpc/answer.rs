//! A decision in Envoy's words.

use axum::body::to_bytes;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::Response;
use envoy_types::ext_authz::v3::pb::{
    CheckResponse, DeniedHttpResponse, HeaderAppendAction, HeaderValue, HeaderValueOption, HttpResponse, HttpStatus,
    OkHttpResponse,
};
use envoy_types::pb::google::rpc::Status;
use tonic::Code;

use super::super::BODY_MAX;

/// Lets the request pass with these headers in place of whatever the client sent, and without the credential.
pub(super) fn allowed(mut identity: HeaderMap, identity_header: Option<&HeaderName>) -> CheckResponse {
    // It is about our answer, and would change the client's request.
    identity.remove(header::CACHE_CONTROL);
    // Envoy removes after it has set: what we set must not be in the list.
    let credential = [Some(&header::AUTHORIZATION), identity_header];
    let stale = credential.into_iter().flatten().filter(|name| !identity.contains_key(*name));
    let stale = stale.map(ToString::to_string).collect();
    let ok = OkHttpResponse { headers: overwriting(&identity), headers_to_remove: stale, ..OkHttpResponse::default() };
    response(Code::Ok, HttpResponse::OkResponse(ok))
}

/// Refuses the request with the answer that `/check` gives.
pub(super) async fn denied(refusal: Response) -> CheckResponse {
    let (parts, body) = refusal.into_parts();
    // Our own problem documents are short.
    let body = to_bytes(body, BODY_MAX).await.unwrap_or_default();
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: parts.status.as_u16().into() }),
        headers: overwriting(&parts.headers),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    response(code(parts.status), HttpResponse::DeniedResponse(denied))
}

/// Everything but `OK` refuses; which one it is shows in Envoy's logs and metadata only.
const fn code(status: StatusCode) -> Code {
    match status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        _ => Code::PermissionDenied,
    }
}

fn response(code: Code, http_response: HttpResponse) -> CheckResponse {
    let status = Status { code: code.into(), ..Status::default() };
    CheckResponse { status: Some(status), http_response: Some(http_response), ..CheckResponse::default() }
}

/// The default of Envoy's newer versions is to append, which would leave what the client sent.
fn overwriting(headers: &HeaderMap) -> Vec<HeaderValueOption> {
    let option = |(name, value): (&HeaderName, &axum::http::HeaderValue)| HeaderValueOption {
        header: Some(HeaderValue {
            key: name.to_string(),
            value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
            ..HeaderValue::default()
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    };
    // How long a body is, is for Envoy to say.
    headers.iter().filter(|(name, _)| **name != header::CONTENT_LENGTH).map(option).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn removed(response: CheckResponse) -> Vec<String> {
        match response.http_response {
            Some(HttpResponse::OkResponse(ok)) => ok.headers_to_remove,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_credential_is_removed_unless_ours_takes_its_place() {
        let own = HeaderName::from_static("x-api-key");
        let mut identity = HeaderMap::new();
        identity.insert("x-auth-user", "alice".parse().unwrap());
        assert_eq!(removed(allowed(identity.clone(), None)), ["authorization"]);
        assert_eq!(removed(allowed(identity.clone(), Some(&own))), ["authorization", "x-api-key"]);
        identity.insert("authorization", "Bearer signed".parse().unwrap());
        assert_eq!(removed(allowed(identity, Some(&own))), ["x-api-key"]);
    }

    #[test]
    fn every_refusal_has_a_code_that_is_not_ok() {
        let table = [(401, 16), (403, 7), (429, 8), (503, 14), (500, 7)];
        for (status, expected) in table {
            assert_eq!(i32::from(code(StatusCode::from_u16(status).unwrap())), expected, "{status}");
        }
    }
}
