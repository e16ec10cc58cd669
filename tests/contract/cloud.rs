//! A simulated cloud, with the client on it and with bare requests past the client.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request};
use itcare_operator::api::{Client, ClientOptions};
use itcare_sim::{Config, Entry, Operation, SeedInstance, Sim};
use serde_json::Value;

use crate::fake::{Secret, options};
use crate::fixture;
use crate::transport::SimTransport;

pub const JSON: &str = "application/json";
pub const VENDOR_JSON: &str = "application/vnd.cegedim-it.v1+json";

/// The simulator's account.
const ACCOUNT: (&str, &str) = ("demo-sa-operator", "secret");

/// One cloud.
pub struct Cloud {
    pub sim: Sim,
    pub client: Client,
    pub transport: SimTransport,
}

impl Cloud {
    /// An empty one, whose actions end when told to.
    pub fn new() -> Self {
        Self::of(Sim::new(Config::explicit()))
    }

    pub fn of(sim: Sim) -> Self {
        Self::with(sim, options())
    }

    pub fn with(sim: Sim, options: ClientOptions) -> Self {
        let transport = SimTransport::new(sim.clone());
        let credentials = Arc::new(Secret::new(ACCOUNT.1));
        let client = Client::new(options, Arc::new(transport.clone()), credentials, Arc::new(()));
        Self { sim, client, transport }
    }

    /// The requests of this kind so far.
    pub fn entries(&self, operation: Operation) -> Vec<Entry> {
        self.sim.journal().into_iter().filter(|entry| entry.operation == operation).collect()
    }

    pub fn count(&self, operation: Operation) -> usize {
        self.entries(operation).len()
    }
}

/// An answer of the simulator as it travels.
#[derive(Debug)]
pub struct Raw {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Raw {
    /// Its body; null when there is none.
    pub fn json(&self) -> Value {
        if self.body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&self.body).expect("it is JSON")
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("it is text"))
    }
}

/// One request past the client.
pub async fn send(
    sim: &Sim,
    authorization: &str,
    method: &str,
    path: &str,
    body: Option<(&str, Bytes)>,
) -> Raw {
    let mut request = Request::builder().method(method).uri(path).header("authorization", authorization);
    let mut bytes = Bytes::new();
    if let Some((kind, body)) = body {
        request = request.header("content-type", kind);
        bytes = body;
    }
    let response = sim.call(request.body(bytes).expect("it is a request")).await.expect("there is an answer");
    let (parts, body) = response.into_parts();
    Raw { status: parts.status.as_u16(), headers: parts.headers, body }
}

/// A request for a token, as the page shows it.
pub async fn ask_for_token(sim: &Sim) -> Raw {
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", ACCOUNT.0, ACCOUNT.1)));
    let form = Some(("application/x-www-form-urlencoded", fixture::bytes("request-token.txt")));
    send(sim, &basic, "POST", "/auth/realms/cloud/protocol/openid-connect/token", form).await
}

/// Bare requests with a token.
pub struct Caller {
    pub sim: Sim,
    bearer: String,
}

impl Caller {
    pub async fn new(sim: Sim) -> Self {
        let token = ask_for_token(&sim).await.json()["access_token"].as_str().expect("it has one").to_owned();
        Self { sim, bearer: format!("Bearer {token}") }
    }

    pub async fn get(&self, path: &str) -> Raw {
        send(&self.sim, &self.bearer, "GET", &format!("/itcare{path}"), None).await
    }

    /// A change without a body.
    pub async fn change(&self, method: &str, path: &str) -> Raw {
        send(&self.sim, &self.bearer, method, &format!("/itcare{path}"), None).await
    }

    /// A change with this body.
    pub async fn change_with(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Raw {
        let kind = if path == "/compute/instances" { VENDOR_JSON } else { JSON };
        send(&self.sim, &self.bearer, method, &format!("/itcare{path}"), Some((kind, body.into()))).await
    }
}

/// The instance of the payloads, in production.
pub fn vm() -> SeedInstance {
    SeedInstance { id: Some(5_220_149), ..SeedInstance::new("PEB4MYAPP01", 13) }
}
