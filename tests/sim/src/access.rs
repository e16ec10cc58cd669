//! Who may call and what they may do: tokens, profiles, visible services.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::answer::Reply;
use crate::clock::later;
use crate::config::{Account, Profile};
use crate::operation::Operation;
use crate::request::Incoming;
use crate::world::World;

/// The documented sample of `refresh_expires_in`.
const REFRESH_SECONDS: u64 = 7200;

/// The tokens that were given out.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    valid: BTreeMap<String, (String, Timestamp)>,
    last: u64,
}

impl Tokens {
    pub(crate) fn expire_all(&mut self) {
        self.valid.clear();
    }

    fn give(&mut self, client_id: &str, until: Timestamp) -> String {
        self.last += 1;
        let token = format!("sim-token-{}", self.last);
        self.valid.insert(token.clone(), (client_id.to_owned(), until));
        token
    }
}

/// Whether a profile allows an operation.
fn allows(profile: Profile, operation: Operation) -> bool {
    match profile {
        Profile::Power => true,
        Profile::Operator => {
            !matches!(operation, Operation::Create | Operation::Delete | Operation::SnapshotRecover)
        }
        Profile::Standard => !operation.is_mutating(),
    }
}

impl World {
    /// The account behind the bearer token; 401 or 403 otherwise.
    pub(crate) fn authorise(&self, at: Timestamp, incoming: &Incoming) -> Result<Account, Reply> {
        let account = self.bearer(at, incoming).ok_or_else(|| Reply::empty(401))?;
        if allows(account.profile, incoming.operation) { Ok(account.clone()) } else { Err(Reply::empty(403)) }
    }

    fn bearer(&self, at: Timestamp, incoming: &Incoming) -> Option<&Account> {
        let (client_id, until) = self.tokens.valid.get(incoming.bearer.as_ref()?)?;
        self.account(client_id).filter(|_| at < *until)
    }

    fn account(&self, client_id: &str) -> Option<&Account> {
        self.config.accounts.list.iter().find(|account| account.client_id == client_id)
    }

    /// The account behind whatever credentials came, for the journal.
    pub(crate) fn caller(&self, at: Timestamp, incoming: &Incoming) -> Option<String> {
        let account = if incoming.operation == Operation::Token {
            self.basic(incoming)
        } else {
            self.bearer(at, incoming)
        };
        account.map(|account| account.client_id.clone())
    }

    fn basic(&self, incoming: &Incoming) -> Option<&Account> {
        let (client_id, secret) = incoming.basic.as_ref()?;
        self.account(client_id).filter(|account| account.secret == *secret)
    }

    /// Gives out a token.
    pub(crate) fn token(&mut self, at: Timestamp, incoming: &Incoming) -> Reply {
        let Some(client_id) = self.basic(incoming).map(|account| account.client_id.clone()) else {
            return oauth_error(401, "invalid_client", "Invalid client or Invalid client credentials");
        };
        match incoming.body.get("grant_type").and_then(Value::as_str) {
            Some("client_credentials") => {}
            Some(_) => return oauth_error(400, "unsupported_grant_type", "Unsupported grant_type"),
            None => return oauth_error(400, "invalid_request", "Missing form parameter: grant_type"),
        }
        let lifetime = self.config.accounts.token_lifetime;
        let token = self.tokens.give(&client_id, later(at, lifetime));
        let mut body = json!({
            "access_token": token,
            "expires_in": lifetime.as_secs(),
            "refresh_expires_in": 0,
            "token_type": "bearer",
        });
        if self.config.quirks.refresh_token {
            body["refresh_expires_in"] = REFRESH_SECONDS.into();
            body["refresh_token"] = format!("refresh-{token}").into();
        }
        Reply::plain(200, body)
    }
}

fn oauth_error(status: u16, error: &str, description: &str) -> Reply {
    Reply::plain(status, json!({ "error": error, "error_description": description }))
}
