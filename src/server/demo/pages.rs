//! The few pages that people see. No script and no inline style, so that the policy can be strict.

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY};
use axum::http::header::{X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use axum::response::{Html, IntoResponse, Response};
use url::Url;

use super::params::Params;
use super::users::{DemoUser, USERS};

const WARNING: &str = "Demo login: do not use in production.";

/// `GET /style.css`
pub async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css")).into_response()
}

/// One button per user. The request's own parameters come back with the answer, which goes on to `client`: browsers
/// that follow `form-action` through redirects have to be told of it.
pub fn login(params: &Params, client: &Url) -> Response {
    let hidden: String = params.iter().filter(|(name, _)| *name != "user").map(hidden_field).collect();
    let buttons: String = USERS.iter().map(button).collect();
    let body = format!(
        "<p>There are no passwords here: press a button and be that user.</p>\n\
         <form method=\"post\" action=\"/authorize\">\n{hidden}{buttons}</form>\n"
    );
    page(StatusCode::OK, "Who is logging in?", &body, &client.origin().ascii_serialization())
}

/// A page with one sentence.
pub fn message(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, title, &format!("<p>{}</p>\n", escape(text)), "")
}

/// 303: the browser goes on with a GET, whatever method brought it here.
pub fn see_other(target: &Url) -> Response {
    let headers = [(LOCATION, target.as_str()), (CACHE_CONTROL, "no-store"), (REFERRER_POLICY, "no-referrer")];
    (StatusCode::SEE_OTHER, headers).into_response()
}

fn hidden_field((name, value): (&str, &str)) -> String {
    format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">\n", escape(name), escape(value))
}

fn button(user: &DemoUser) -> String {
    let roles = if user.roles.is_empty() { "no roles".to_owned() } else { user.roles.join(", ") };
    let (name, display_name) = (escape(user.name), escape(user.display_name));
    format!("<button name=\"user\" value=\"{name}\"><b>{display_name}</b> — {}</button>\n", escape(&roles))
}

fn page(status: StatusCode, title: &str, body: &str, form_target: &str) -> Response {
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self' {form_target}; \
         base-uri 'none'; frame-ancestors 'none'"
    );
    let headers = [
        (CONTENT_SECURITY_POLICY, policy.as_str()),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    (status, headers, Html(document(title, body))).into_response()
}

fn document(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} · Demo login</title>\n<link rel=\"icon\" href=\"data:,\">\n\
         <link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n<body>\n<main>\n\
         <p class=\"warning\"><b>{WARNING}</b></p>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n"
    )
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, letter| {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
        safe
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::Demo;
    use super::*;

    #[test]
    fn everything_that_means_something_in_html_is_escaped() {
        assert_eq!(escape("<a href=\"x\">'&'</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
    }

    #[tokio::test]
    async fn the_style_sheet_is_served_as_one() {
        let answer = Demo::new().get("/style.css").await;
        assert_eq!(answer.header("content-type"), "text/css; charset=utf-8");
    }
}
