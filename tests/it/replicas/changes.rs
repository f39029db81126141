//! Every way in which somebody loses what a token gave them is as final as a revocation: while a replica hears of nothing,
//! no check passes there that is sent after the answer.

use std::time::Duration;

use hallpass::server::telemetry;

use super::judge::{Deed, Expected, Verdict};
use super::trial::{Hammers, is_confirmed, recovery};
use crate::support::cluster;
use crate::support::program::Server;
use crate::support::replicas::{Login, Replicas};
use crate::support::tokens::Token;
use crate::support::wire::{Mode, Wire, target};

/// Revocations of each kind.
const EACH: usize = 4;
const PATIENCE: Duration = Duration::from_secs(5);

/// What somebody does.
#[derive(Clone, Copy, Debug)]
enum Act {
    OwnerRevokes,
    AdministratorRevokes,
    AdministratorRevokesMany,
    HolderRevokes,
    OperatorRevokes,
    OwnerRegenerates,
    OwnerRegeneratesOnThePage,
    OwnerTakesScopesAway,
    AdministratorDisablesOwner,
    OperatorDisablesOwner,
    OperatorErasesOwner,
    FinderReports,
    /// It is revoked already, and somebody else still waits for that.
    OwnerRevokesAgain,
    HolderRevokesAgain,
    OperatorRevokesAgain,
    AdministratorRevokesManyAgain,
    FinderReportsAgain,
    /// The same with what else takes something away.
    OwnerTakesScopesAwayAgain,
    AdministratorDisablesOwnerAgain,
    OwnerRegeneratesOnThePageAgain,
}

impl Act {
    const ALL: [Self; 20] = [
        Self::OwnerRevokes,
        Self::AdministratorRevokes,
        Self::AdministratorRevokesMany,
        Self::HolderRevokes,
        Self::OperatorRevokes,
        Self::OwnerRegenerates,
        Self::OwnerRegeneratesOnThePage,
        Self::OwnerTakesScopesAway,
        Self::AdministratorDisablesOwner,
        Self::OperatorDisablesOwner,
        Self::OperatorErasesOwner,
        Self::FinderReports,
        Self::OwnerRevokesAgain,
        Self::HolderRevokesAgain,
        Self::OperatorRevokesAgain,
        Self::AdministratorRevokesManyAgain,
        Self::FinderReportsAgain,
        Self::OwnerTakesScopesAwayAgain,
        Self::AdministratorDisablesOwnerAgain,
        Self::OwnerRegeneratesOnThePageAgain,
    ];

    /// What a check is answered with afterwards.
    const fn denial(self) -> u16 {
        if matches!(self, Self::OwnerTakesScopesAway | Self::OwnerTakesScopesAwayAgain) { 403 } else { 401 }
    }

    /// What was done before at the first replica, and how it shows in the row of the token and its owner.
    const fn first(self) -> Option<(Self, &'static str)> {
        match self {
            Self::OwnerRevokesAgain
            | Self::HolderRevokesAgain
            | Self::OperatorRevokesAgain
            | Self::AdministratorRevokesManyAgain
            | Self::FinderReportsAgain => Some((Self::HolderRevokes, "revoked_at IS NOT NULL")),
            Self::OwnerTakesScopesAwayAgain => Some((Self::OwnerTakesScopesAway, "scopes = 'write:reports'")),
            Self::AdministratorDisablesOwnerAgain => {
                Some((Self::AdministratorDisablesOwner, "disabled_at IS NOT NULL"))
            }
            Self::OwnerRegeneratesOnThePageAgain => Some((Self::OwnerRegeneratesOnThePage, "t.version > 1")),
            _ => None,
        }
    }
}

/// Who may act on a token.
struct Actors<'a> {
    replicas: &'a Replicas,
    token: &'a Token,
    owner: Login,
    administrator: &'a Login,
}

impl Actors<'_> {
    /// Whether it was answered at a replica that it is done.
    async fn perform(&self, act: Act, at: usize) -> bool {
        let id = self.token.id.to_string();
        let server = &self.replicas.servers[at];
        let owns = async |method, what: &str, body| {
            self.owner.call(server, method, &format!("/tokens/{id}{what}"), body).await
        };
        let rules = async |what: &str, body: &str| {
            self.administrator.call(server, "POST", &format!("/admin/{what}"), body).await
        };
        match act {
            Act::OwnerRevokes | Act::OwnerRevokesAgain => owns("POST", "/revoke", "{}").await == 204,
            Act::OwnerRegenerates => owns("POST", "/regenerate", r#"{"mode": "now"}"#).await == 200,
            Act::OwnerTakesScopesAway | Act::OwnerTakesScopesAwayAgain => {
                owns("PATCH", "", r#"{"scopes": ["write:reports"]}"#).await == 200
            }
            Act::AdministratorRevokes => rules(&format!("tokens/{id}/revoke"), r#"{"reason": "leaked"}"#).await == 204,
            Act::AdministratorRevokesMany | Act::AdministratorRevokesManyAgain => {
                let body = format!(r#"{{"filter": {{"ids": ["{id}"]}}, "reason": "policy"}}"#);
                rules("tokens/revoke", &body).await == 200
            }
            Act::AdministratorDisablesOwner | Act::AdministratorDisablesOwnerAgain => {
                rules(&format!("users/{}/disable", self.owner.user), "").await == 204
            }
            Act::HolderRevokes | Act::HolderRevokesAgain => is_confirmed(&server.url, self.token).await,
            Act::OperatorRevokes | Act::OperatorRevokesAgain => self.operate(&["token", "revoke", &id]),
            Act::OwnerRegeneratesOnThePage => self.send_form(server).await == 200,
            Act::OwnerRegeneratesOnThePageAgain => self.send_form(server).await == 303,
            Act::FinderReports | Act::FinderReportsAgain => self.report(server).await == 200,
            Act::OperatorErasesOwner => self.operate(&["user", "erase", &self.owner.user, "--yes"]),
            Act::OperatorDisablesOwner => self.operate(&["user", "disable", &self.owner.user]),
        }
    }

    /// The form of the page, which is the same each time.
    async fn send_form(&self, server: &Server) -> u16 {
        let form = [("form_key", self.token.id.to_string().replace('-', "")), ("lifetime", "30".to_owned())];
        let request = server.client.post(format!("{}/tokens/{}/regenerate", server.url, self.token.id)).form(&form);
        let request = request.header("cookie", &self.owner.cookie).header("sec-fetch-site", "same-origin");
        request.send().await.unwrap().status().as_u16()
    }

    /// What somebody does who has found the token.
    async fn report(&self, server: &Server) -> u16 {
        let form = [("text", format!("found {}", self.token.secret.reveal()))];
        server.client.post(format!("{}/report", server.url)).form(&form).send().await.unwrap().status().as_u16()
    }

    fn operate(&self, arguments: &[&str]) -> bool {
        tokio::task::block_in_place(|| self.replicas.run(arguments)).0 == 0
    }

    async fn deed(&self, act: Act) -> Deed {
        let asked = telemetry::now();
        let first = async {
            if let Some((first, _)) = act.first() {
                assert!(self.perform(first, 0).await, "{first:?} is refused");
            }
        };
        let performed = async {
            if let Some((_, sign)) = act.first() {
                // The first is written down, and waits for the replica that hears of nothing.
                let written = format!(
                    "SELECT 'x' FROM tokens t JOIN users u ON u.id = t.owner_id WHERE t.id = '{}' AND {sign}",
                    self.token.id
                );
                while self.replicas.column(&written).await.is_empty() {}
            }
            let is_done = self.perform(act, 1).await;
            (is_done, telemetry::now())
        };
        let ((), (is_done, answered)) = tokio::join!(first, performed);
        assert!(is_done, "{act:?} is refused");
        Deed { denial: act.denial(), ..Deed::new(asked, answered) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_narrows_a_token_is_final_when_it_is_answered_and_so_is_a_repetition() {
    let database = cluster::new_database().await;
    let wire = Wire::to(target(&database)).await;
    let replicas =
        Replicas::start_through(database.clone(), &[database.clone(), database.clone(), wire.lead(&database)]);
    let administrator = replicas.tokens(1).await.pop().unwrap();
    let administrator = replicas.log_in(&administrator).await;
    let roles = format!(r#"UPDATE users SET roles = '["admins"]' WHERE id = '{}'"#, administrator.user);
    replicas.execute(&roles).await;
    let good = replicas.tokens(1).await.pop().unwrap();
    let hammers = Hammers::at("/check?scope=read:users", &replicas, 1, &good);
    let mut verdict = Verdict::default();
    for act in Act::ALL.repeat(EACH) {
        let token = replicas.tokens(1).await.pop().unwrap();
        let both = format!("UPDATE tokens SET scopes = 'read:users write:reports' WHERE id = '{}'", token.id);
        replicas.execute(&both).await;
        let owner = replicas.log_in(&token).await;
        let actors = Actors { replicas: &replicas, token: &token, owner, administrator: &administrator };
        recovery(&replicas, &good).await;
        let deed = async {
            // Until everybody answers from memory.
            tokio::time::sleep(Duration::from_millis(50)).await;
            wire.set(Mode::BlackHole);
            let deed = Box::pin(actors.deed(act)).await;
            wire.set(Mode::Whole);
            deed.healed_now()
        };
        verdict.add(&hammers.round(&token, deed).await);
    }
    verdict.insist("a replica hears nothing of other changes", Expected::of(Act::ALL.len() * EACH, PATIENCE));
}
