//! Everybody's tokens.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use leptos::prelude::*;
use serde::Deserialize;

use super::super::super::api::{ApiError, FilterText, read_mark, write_mark};
use super::super::super::params::Params;
use super::super::super::session::AdminVisitor;
use super::super::super::{Web, page};
use super::{failed, owner_name, problem_of};
use crate::domain::error::FieldErrors;
use crate::server::service::admin::{Inventory, InventoryFilter, ListInventory, Order};
use crate::server::ui::pages::address;
use crate::server::ui::pages::admin::tokens::{InventoryForm, InventoryPage};

/// Tokens on one page.
const SHOWN: usize = 50;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::server::http) struct InventoryQuery {
    #[serde(flatten)]
    form: InventoryForm,
    cursor: String,
    notice: String,
}

/// The list.
pub(in crate::server::http) async fn list(
    State(web): State<Web>,
    admin: AdminVisitor,
    Params(query): Params<InventoryQuery>,
) -> Response {
    let InventoryQuery { form, cursor, notice } = query;
    if let Some(secret) = web.admin.pasted(&form.q) {
        // It is found by its public part, and the rest of it stays in no address.
        let form = InventoryForm { q: secret.to_string(), ..form };
        return page::see_other(&address("/admin/tokens", &form.parameters()));
    }
    let (filter, errors) = match read(&form).read(&web, &admin.administrator).await {
        Ok(filter) => (Some(filter), FieldErrors::default()),
        Err(error) => match problem_of(error, &web, &admin).await {
            Ok(errors) => (None, errors),
            Err(page) => return page,
        },
    };
    let owner = match &filter {
        Some(filter) => owner_name(&web, &admin, filter).await,
        None => None,
    };
    let order = order(&form.sort);
    let after = read_mark(order, &cursor);
    let is_later_page = after.is_some();
    let status = if filter.is_some() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let found = match filter {
        None => Inventory { items: Vec::new(), next: None },
        Some(filter) => {
            let wanted = ListInventory { filter, order, after, limit: SHOWN };
            match web.admin.list_tokens(&admin.administrator, &wanted).await {
                Ok(found) => found,
                Err(error) => return failed(&web, &admin, &error).await,
            }
        }
    };
    let scopes: Vec<_> = web.tokens.catalogue().names().map(ToString::to_string).collect();
    let (next, now) = (found.next.as_ref().map(|mark| write_mark(order, mark)), web.clock.now());
    let notice = ended(&notice);
    let view = move || {
        view! {
            <InventoryPage
                tokens=found.items.clone()
                form=form.clone()
                owner=owner.clone()
                errors=errors.clone()
                scopes=scopes.clone()
                is_later_page=is_later_page
                next=next.clone()
                now=now
                notice=notice.clone()
            />
        }
    };
    page::render(&web, status, Some(admin.visitor.me()), "/admin/tokens", view).await
}

/// What a revocation of many says afterwards: a number, and nothing else that an address could say.
fn ended(notice: &str) -> Option<String> {
    if notice == "none-chosen" {
        return Some("Nothing was chosen. Please tick the tokens that shall end.".to_owned());
    }
    let count: usize = notice.strip_prefix("revoked-")?.parse().ok()?;
    Some(match count {
        0 => "Nothing was left to revoke.".to_owned(),
        1 => "1 token is revoked. Requests with it are refused from now on.".to_owned(),
        count => format!("{count} tokens are revoked. Requests with them are refused from now on."),
    })
}

/// A filter as it stands in an address.
pub(super) fn read(form: &InventoryForm) -> FilterText {
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    FilterText {
        ids: None,
        user: given(&form.user),
        q: given(&form.q),
        state: given(&form.state),
        scope: given(&form.scope),
        created_before: given(&form.created_before),
        unused_since: given(&form.unused_since),
        expires_within: given(&form.expires_within),
    }
}

/// What the service takes.
pub(super) async fn filter(text: &FilterText, web: &Web, admin: &AdminVisitor) -> Result<InventoryFilter, ApiError> {
    text.read(web, &admin.administrator).await
}

fn order(name: &str) -> Order {
    match name {
        "name" => Order::Name,
        "unused" => Order::Use,
        _ => Order::Age,
    }
}
