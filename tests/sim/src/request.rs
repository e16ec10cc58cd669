//! One request, read: target, operation, query, body, credentials.
//!
//! Nothing is decided here. What cannot be read is kept as it is, and refused where it matters.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName};
use serde_json::{Map, Value};

use crate::config::Config;
use crate::operation::Operation;

/// What a path points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Health,
    Token,
    Instances,
    Instance(i64),
    Storage(i64),
    Networks(i64),
    Snapshots(i64),
    Snapshot(i64, String),
    Actions,
    Action(i64),
    /// A path of the API with something else where an id belongs.
    BadId,
    Unknown,
}

impl Target {
    fn of(config: &Config, path: &str) -> Target {
        if path == config.token_path {
            return Target::Token;
        }
        let Some(rest) = path.strip_prefix(&config.base_path) else { return Target::Unknown };
        let segments: Vec<&str> = rest.split('/').skip(1).collect();
        let with_id = |id: &str, make: &dyn Fn(i64) -> Target| id.parse().map_or(Target::BadId, make);
        match segments.as_slice() {
            ["health"] => Target::Health,
            ["actions"] => Target::Actions,
            ["actions", id] => with_id(id, &Target::Action),
            ["compute", "instances"] => Target::Instances,
            ["compute", "instances", id] => with_id(id, &Target::Instance),
            ["compute", "instances", id, "storage"] => with_id(id, &Target::Storage),
            ["compute", "instances", id, "networks"] => with_id(id, &Target::Networks),
            ["compute", "instances", id, "snapshots"] => with_id(id, &Target::Snapshots),
            ["compute", "instances", id, "snapshots", snapshot] if !snapshot.is_empty() => {
                let snapshot = decoded(snapshot);
                with_id(id, &|id| Target::Snapshot(id, snapshot.clone()))
            }
            _ => Target::Unknown,
        }
    }

    fn instance(&self) -> Option<i64> {
        match self {
            Target::Instance(id)
            | Target::Storage(id)
            | Target::Networks(id)
            | Target::Snapshots(id)
            | Target::Snapshot(id, _) => Some(*id),
            Target::Health
            | Target::Token
            | Target::Instances
            | Target::Actions
            | Target::Action(_)
            | Target::BadId
            | Target::Unknown => None,
        }
    }
}

/// Undoes percent-encoding in a path segment; `+` stays `+` there, unlike in a query.
fn decoded(segment: &str) -> String {
    let kept = segment.replace('+', "%2B");
    url::form_urlencoded::parse(kept.as_bytes()).next().map(|(key, _)| key.into_owned()).unwrap_or_default()
}

/// One request, read.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) content_type: Option<String>,
    pub(crate) bearer: Option<String>,
    pub(crate) basic: Option<(String, String)>,
    pub(crate) body: Value,
    pub(crate) target: Target,
    pub(crate) operation: Operation,
    pub(crate) instance: Option<i64>,
}

impl Incoming {
    pub(crate) fn read(config: &Config, request: http::Request<Bytes>) -> Incoming {
        let (parts, bytes) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let content_type = text(&parts.headers, &CONTENT_TYPE);
        let authorization = text(&parts.headers, &AUTHORIZATION);
        let body = read_body(content_type.as_deref(), &bytes);
        let target = Target::of(config, &path);
        let operation = operation(&parts.method, &target, &body);
        Incoming {
            parameters: pairs(query.as_bytes()),
            bearer: authorization
                .as_deref()
                .and_then(|value| after_scheme(value, "bearer"))
                .map(str::to_owned),
            basic: authorization.as_deref().and_then(|value| after_scheme(value, "basic")).and_then(basic),
            instance: target.instance(),
            method: parts.method,
            path,
            query,
            content_type,
            body,
            target,
            operation,
        }
    }

    /// The values of an array parameter, comma-joined or repeated.
    pub(crate) fn values(&self, key: &str) -> Vec<&str> {
        self.parameters
            .iter()
            .filter(|(name, _)| name == key)
            .flat_map(|(_, value)| value.split(','))
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .collect()
    }

    /// The first value of a parameter.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(name, value)| name == key && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
}

fn operation(method: &Method, target: &Target, body: &Value) -> Operation {
    let update = || Operation::of_update(body.get("operation").and_then(Value::as_str).unwrap_or_default());
    let method = method.as_str();
    let get = |operation: Operation| if method == "GET" { operation } else { Operation::Unknown };
    match target {
        Target::Health => get(Operation::Health),
        Target::Storage(_) => get(Operation::Storage),
        Target::Networks(_) => get(Operation::Networks),
        Target::Actions => get(Operation::ActionList),
        Target::Action(_) => get(Operation::ActionGet),
        Target::Token if method == "POST" => Operation::Token,
        Target::Instances if method == "POST" => Operation::Create,
        Target::Instances => get(Operation::List),
        Target::Instance(_) if method == "DELETE" => Operation::Delete,
        Target::Instance(_) if method == "PATCH" => update(),
        Target::Instance(_) => get(Operation::Detail),
        Target::Snapshots(_) if method == "POST" => Operation::SnapshotCreate,
        Target::Snapshots(_) if method == "PATCH" => Operation::SnapshotRecover,
        Target::Snapshots(_) => get(Operation::SnapshotGet),
        Target::Snapshot(..) if method == "DELETE" => Operation::SnapshotDelete,
        Target::Token | Target::Snapshot(..) | Target::BadId | Target::Unknown => Operation::Unknown,
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn after_scheme<'a>(value: &'a str, scheme: &str) -> Option<&'a str> {
    let (is, rest) = value.split_once(' ')?;
    is.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

fn basic(encoded: &str) -> Option<(String, String)> {
    let plain = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = plain.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(encoded).into_owned().collect()
}

fn read_body(content_type: Option<&str>, bytes: &Bytes) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    if content_type.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
        let form: Map<String, Value> =
            pairs(bytes).into_iter().map(|(key, value)| (key, Value::String(value))).collect();
        return Value::Object(form);
    }
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}
