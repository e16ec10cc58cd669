//! From an HTTP request to its answer: journal, faults, dispatch, lists.
//!
//! Not here: the rules of writes (`store`) and the stream of a watch (`watch`).

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use kube::client::Body;
use serde_json::{Value, json};

use super::definition::Definition;
use super::failure::Failure;
use super::fault::Kind;
use super::ownership::Writer;
use super::request::{self, Options, Selector, Target, Verb};
use super::store::{Key, Part, Preconditions, Write};
use super::{MemoryApi, Recorded, State};

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(super) type ResponseBody = UnsyncBoxBody<Bytes, BoxError>;
type Answer = Result<(u16, Arc<Value>), Failure>;

/// Lists that are being read page by page, as they were when their first page was read.
#[derive(Default)]
pub(super) struct Pages {
    count: u64,
    lists: VecDeque<(u64, u64, Vec<Arc<Value>>)>,
}

/// More than any test reads at once; older ones answer "expired" as a real server in time does.
const OPEN_LISTS: usize = 16;

/// Everything about a request but its body's meaning.
struct Call {
    verb: Verb,
    target: Target,
    options: Options,
    content_type: String,
    metadata_only: bool,
    body: Value,
    /// The name in the path, or in the body of a create.
    name: String,
}

impl MemoryApi {
    pub(super) async fn serve(&self, request: Request<Body>) -> Result<Response<ResponseBody>, BoxError> {
        let (parts, body) = request.into_parts();
        let bytes = body.collect().await?.to_bytes();
        let Some(target) = request::target(parts.uri.path()) else { return Ok(outside(parts.uri.path())) };
        let query = parts.uri.query().unwrap_or_default();
        let options = request::options(query);
        let Some(verb) = request::verb(&parts.method, &target, &options) else {
            return Ok(refusal(&Failure::new(
                405,
                "the server does not allow this method on the requested resource",
            )));
        };
        let body = match serde_json::from_slice(&bytes) {
            Ok(body) => body,
            Err(_) if bytes.is_empty() => Value::Null,
            Err(error) => return Ok(refusal(&Failure::new(400, format!("the body is not JSON: {error}")))),
        };
        let header_text = |name| {
            let value = parts.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let name = match (verb, body["metadata"]["name"].as_str()) {
            (Verb::Create, Some(name)) if target.name.is_empty() => name.to_owned(),
            _ => target.name.clone(),
        };
        let call = Call {
            verb,
            metadata_only: header_text(header::ACCEPT).contains("as=PartialObjectMetadata"),
            content_type: header_text(header::CONTENT_TYPE),
            target,
            options,
            body,
            name,
        };
        let ticket = self.record(&call, query);
        let mut late = Duration::ZERO;
        match self.next_fault(&call) {
            None => {}
            Some(Kind::Refuse(failure)) => {
                self.close(ticket, failure.code);
                return Ok(refusal(&failure));
            }
            Some(Kind::NoConnection) => {
                return Err(Box::new(std::io::Error::new(
                    ErrorKind::ConnectionRefused,
                    "injected: no connection",
                )));
            }
            Some(Kind::Hang) => std::future::pending().await,
            Some(Kind::HangAfter) => {
                let _ = self.answer(&call);
                std::future::pending().await
            }
            Some(Kind::Delay(time)) => tokio::time::sleep(time).await,
            Some(Kind::DelayReply(time)) => late = time,
            Some(Kind::LoseReply) => {
                let _ = self.answer(&call);
                return Err(Box::new(std::io::Error::new(
                    ErrorKind::ConnectionReset,
                    "injected: reply lost",
                )));
            }
        }
        let response = if call.verb == Verb::Watch {
            self.watch(&call.target, &call.options, call.metadata_only)
        } else {
            self.answer(&call).map(|(code, value)| json_response(code, &value))
        };
        let response = response.unwrap_or_else(|failure| refusal(&failure));
        if !late.is_zero() {
            tokio::time::sleep(late).await;
        }
        self.close(ticket, response.status().as_u16());
        Ok(response)
    }

    fn record(&self, call: &Call, query: &str) -> u64 {
        let at = (self.shared.clock)();
        let mut state = self.state();
        state.journal.push_back(Recorded {
            at,
            verb: call.verb,
            group: call.target.group.clone(),
            resource: call.target.resource.clone(),
            subresource: call.target.subresource.clone(),
            namespace: call.target.namespace.clone(),
            name: call.name.clone(),
            query: query.to_owned(),
            apply: call.is_apply(),
            body: call.body.clone(),
            code: None,
        });
        state.journal_start + state.journal.len() as u64 - 1
    }

    fn close(&self, ticket: u64, code: u16) {
        let mut state = self.state();
        let index = ticket.checked_sub(state.journal_start).and_then(|index| usize::try_from(index).ok());
        if let Some(entry) = index.and_then(|index| state.journal.get_mut(index)) {
            entry.code = Some(code);
        }
    }

    fn next_fault(&self, call: &Call) -> Option<Kind> {
        let mut state = self.state();
        let hit = state
            .faults
            .iter_mut()
            .find_map(|fault| fault.hits(call.verb, &call.target, &call.name).then(|| fault.kind.clone()));
        state.faults.retain(|fault| fault.left > 0);
        hit
    }

    fn answer(&self, call: &Call) -> Answer {
        let now = self.now().to_string();
        let answer = call.run(&mut self.state(), &now);
        self.shared.changed.notify_waiters();
        let (code, value) = answer?;
        Ok((code, if call.metadata_only { Arc::new(metadata_of(&value)) } else { value }))
    }
}

impl Call {
    fn is_apply(&self) -> bool {
        self.content_type.starts_with("application/apply-patch")
    }

    fn run(&self, state: &mut State, now: &str) -> Answer {
        let Target { group, version, resource, namespace, name, subresource } = &self.target;
        if !self.options.text("dryRun").is_empty() {
            return Err(Failure::new(400, "dry run is not known here"));
        }
        let definition = state.definition(group, version, resource);
        let part = match (subresource.as_str(), definition.status) {
            ("", _) => Part::Main,
            ("status", true) => Part::Status,
            _ => return Err(Failure::new(404, "the server could not find the requested resource")),
        };
        let key = Key {
            group: group.clone(),
            resource: resource.clone(),
            namespace: namespace.clone(),
            name: name.clone(),
        };
        let write = Write { writer: self.writer(part)?, part, now: now.to_owned() };
        let found = |object| (200, object);
        match self.verb {
            Verb::Get => {
                let object = state.store.get(&key);
                object.map(found).ok_or_else(|| Failure::not_found(&definition.qualified(), name))
            }
            Verb::List | Verb::Watch => self.list(state, &definition),
            Verb::Create => {
                let created = state.store.create(&definition, namespace, &self.body, &write)?;
                Ok((201, created))
            }
            Verb::Update => {
                let (object, created) = state.store.replace(&definition, &key, &write, &self.body)?;
                Ok((if created { 201 } else { 200 }, object))
            }
            Verb::Patch if self.is_apply() => {
                let force = self.options.flag("force");
                let (object, created) = state.store.apply(&definition, &key, &write, force, &self.body)?;
                Ok((if created { 201 } else { 200 }, object))
            }
            Verb::Patch if self.content_type.starts_with("application/merge-patch") => {
                state.store.merge_patch(&definition, &key, &write, &self.body).map(found)
            }
            Verb::Patch => {
                Err(Failure::new(415, format!("patch type not known here: {}", self.content_type)))
            }
            Verb::Delete => {
                let (object, gone) = state.store.delete(&definition, &key, &self.preconditions(), now)?;
                Ok((200, if gone { Arc::new(deleted(&definition, &object)) } else { object }))
            }
            Verb::DeleteCollection => self.delete_all(state, &definition, now),
        }
    }

    fn writer(&self, part: Part) -> Result<Writer, Failure> {
        let manager = self.options.text("fieldManager");
        if self.is_apply() && manager.is_empty() {
            return Err(Failure::new(
                422,
                "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value",
            ));
        }
        let manager = if manager.is_empty() { "unknown" } else { manager };
        Ok(Writer { manager: manager.to_owned(), apply: self.is_apply(), status: part == Part::Status })
    }

    fn preconditions(&self) -> Preconditions {
        let text = |field: &str| self.body["preconditions"][field].as_str().map(str::to_owned);
        Preconditions { uid: text("uid"), resource_version: text("resourceVersion") }
    }

    fn list(&self, state: &mut State, definition: &Definition) -> Answer {
        let selector = Selector::read(&self.target, &self.options)?;
        let limit = self.options.number("limit")?.filter(|limit| *limit > 0);
        let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let (revision, rest, list, offset) = match self.options.text("continue") {
            "" => {
                let seen = state.held_at.filter(|_| state.lists_lag).unwrap_or(u64::MAX);
                let seen = seen.min(state.store.revision);
                let mut all = state.store.list_at(&definition.group, &definition.resource, seen);
                all.retain(|object| selector.matches(object));
                (seen, all, None, 0)
            }
            token => {
                let expired = || Failure::new(410, "the provided continue parameter is too old");
                let (list, offset) = token.split_once('-').ok_or_else(expired)?;
                let (list, offset): (u64, usize) =
                    (list.parse().map_err(|_| expired())?, offset.parse().map_err(|_| expired())?);
                let (_, revision, objects) =
                    state.pages.lists.iter().find(|(found, _, _)| *found == list).ok_or_else(expired)?;
                if *revision < state.store.compacted {
                    return Err(expired());
                }
                (*revision, objects[offset.min(objects.len())..].to_vec(), Some(list), offset)
            }
        };
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        let items: Vec<Value> = rest.iter().take(limit).map(|object| (**object).clone()).collect();
        if rest.len() > limit {
            metadata["remainingItemCount"] = json!(rest.len() - limit);
            let list = list.unwrap_or_else(|| state.pages.keep(revision, rest));
            metadata["continue"] = json!(format!("{list}-{}", offset + limit));
        }
        let kind = format!("{}List", definition.kind);
        let list = json!({"apiVersion": definition.api_version(), "kind": kind, "metadata": metadata, "items": items});
        Ok((200, Arc::new(list)))
    }

    fn delete_all(&self, state: &mut State, definition: &Definition, now: &str) -> Answer {
        let selector = Selector::read(&self.target, &self.options)?;
        let all = state.store.list(&definition.group, &definition.resource);
        let matching: Vec<_> = all.filter(|object| selector.matches(object)).cloned().collect();
        for object in matching {
            let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
            let key = Key {
                group: definition.group.clone(),
                resource: definition.resource.clone(),
                namespace: text("namespace"),
                name: text("name"),
            };
            state.store.delete(definition, &key, &self.preconditions(), now)?;
        }
        let done = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
        Ok((200, Arc::new(done)))
    }
}

impl Pages {
    fn keep(&mut self, revision: u64, objects: Vec<Arc<Value>>) -> u64 {
        self.count += 1;
        self.lists.push_back((self.count, revision, objects));
        if self.lists.len() > OPEN_LISTS {
            self.lists.pop_front();
        }
        self.count
    }
}

/// The form asked for by metadata-only watches and lists.
pub(super) fn metadata_of(value: &Value) -> Value {
    if let Some(items) = value["items"].as_array() {
        let items: Vec<_> = items.iter().map(metadata_of).collect();
        return json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList", "metadata": value["metadata"], "items": items,
        });
    }
    if value["kind"] == "Status" {
        return value.clone();
    }
    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": value["metadata"]})
}

fn deleted(definition: &Definition, object: &Value) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {
            "name": object["metadata"]["name"], "group": definition.group,
            "kind": definition.resource, "uid": object["metadata"]["uid"],
        },
    })
}

/// Health and version, which clients ask for before anything else.
fn outside(path: &str) -> Response<ResponseBody> {
    match path {
        "/version" => json_response(
            200,
            &json!({
                "major": "1", "minor": "36", "gitVersion": "v1.36.3", "gitCommit": "", "gitTreeState": "",
                "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
            }),
        ),
        "/readyz" | "/livez" | "/healthz" => response(200, "text/plain", Bytes::from_static(b"ok")),
        _ => refusal(&Failure::new(404, "the server could not find the requested resource")),
    }
}

fn refusal(failure: &Failure) -> Response<ResponseBody> {
    json_response(failure.code, &failure.status())
}

fn json_response(code: u16, value: &Value) -> Response<ResponseBody> {
    response(code, "application/json", serde_json::to_vec(value).expect("a value is JSON").into())
}

fn response(code: u16, content_type: &'static str, bytes: Bytes) -> Response<ResponseBody> {
    let body = Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() =
        http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}
