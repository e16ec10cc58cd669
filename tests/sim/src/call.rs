//! One request from end to end: journal, fault, effect, answer.

use bytes::Bytes;
use http::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Sim;
use crate::answer::{Payload, Reply};
use crate::clock::{http_date, later};
use crate::fault::{About, FaultKind, Wait};
use crate::handle::{Ending, Twist};
use crate::journal::{Answer, Entry};
use crate::request::{Incoming, Target};
use crate::world::World;

/// The connection broke: the caller cannot know whether the request had its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection broke")]
pub struct Broken;

/// Marks an answer that stops in the middle; over a socket its full length was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncated {
    /// How long the whole body was to be.
    pub full_length: usize,
}

impl Sim {
    /// Answers one request in process, without a socket.
    ///
    /// Faults that wait do so on tokio's clock, so a test with paused time does not wait. A caller
    /// that drops the future has hung up.
    ///
    /// # Errors
    ///
    /// The connection broke, before or after the effect: a fault asked for it.
    pub async fn call(&self, request: http::Request<Bytes>) -> Result<Response<Bytes>, Broken> {
        let (seq, incoming, fault) = self.arrive(request);
        let plain = Twist::default();
        let ending = |ending: Ending| Twist { ending, ..Twist::default() };
        let Some(fault) = fault else { return self.answer(seq, &incoming, &plain) };
        match fault {
            FaultKind::Status { code, body, headers, effect } => {
                let kind = if body.starts_with(['{', '[']) { "application/json" } else { "text/plain" };
                let mut reply = Reply::text(code, kind, body);
                reply.headers = headers.into_iter().collect();
                self.replace(seq, &incoming, effect, reply)
            }
            FaultKind::Html { code, effect } => self.replace(seq, &incoming, effect, Reply::html(code)),
            FaultKind::RetryAfter { code, wait, effect } => {
                let wait = match wait {
                    Wait::Seconds(seconds) => seconds.to_string(),
                    Wait::Date(ahead) => http_date(later(self.now(), ahead)),
                };
                self.replace(seq, &incoming, effect, Reply::retry_after(code, &wait))
            }
            FaultKind::NotFound => self.replace(seq, &incoming, false, Reply::empty(404)),
            FaultKind::Delay(span) => {
                tokio::time::sleep(span).await;
                self.answer(seq, &incoming, &plain)
            }
            FaultKind::LateReply(span) => {
                let (at, reply) = self.carry_out(seq, &incoming, &plain);
                tokio::time::sleep(span).await;
                self.close(seq, Answer::Status(reply.status));
                Ok(reply.into_response(at))
            }
            FaultKind::DelayedEffect { after, hang } => {
                self.lock().postpone_from_now(after, seq, incoming);
                if hang { std::future::pending().await } else { self.broken(seq) }
            }
            FaultKind::DropBefore => self.broken(seq),
            FaultKind::DropAfter => {
                self.carry_out(seq, &incoming, &plain);
                self.broken(seq)
            }
            FaultKind::HangForever { effect } => {
                if effect {
                    self.carry_out(seq, &incoming, &plain);
                }
                std::future::pending().await
            }
            FaultKind::Truncate => {
                let (at, reply) = self.carry_out(seq, &incoming, &plain);
                self.close(seq, Answer::Status(reply.status));
                Ok(truncated(reply.into_response(at)))
            }
            FaultKind::Replay => {
                self.carry_out(seq, &incoming, &plain);
                self.answer(seq, &incoming, &plain)
            }
            FaultKind::ExpireTokens => {
                self.lock().tokens.expire_all();
                self.answer(seq, &incoming, &plain)
            }
            FaultKind::StaleList(ago) => {
                self.answer(seq, &incoming, &Twist { stale: Some(ago), ..Twist::default() })
            }
            FaultKind::EmptyList => self.answer(seq, &incoming, &Twist { empty: true, ..Twist::default() }),
            FaultKind::ShiftPage => self.answer(seq, &incoming, &Twist { shift: 1, ..Twist::default() }),
            FaultKind::OverlapPage => self.answer(seq, &incoming, &Twist { shift: -1, ..Twist::default() }),
            FaultKind::ActionFails(message) => self.answer(seq, &incoming, &ending(Ending::Fails(message))),
            FaultKind::ActionNeverEnds => self.answer(seq, &incoming, &ending(Ending::Never)),
            FaultKind::ActionVanishes => self.answer(seq, &incoming, &ending(Ending::Vanishes)),
            FaultKind::WrongTypes => self.answer_bent(seq, &incoming, wrong_types),
            FaultKind::UnknownStatus => self.answer_bent(seq, &incoming, unknown_status),
        }
    }

    /// Writes a request into the journal and finds the fault that hits it.
    fn arrive(&self, request: http::Request<Bytes>) -> (u64, Incoming, Option<FaultKind>) {
        let mut world = self.lock();
        world.settle();
        let at = world.now();
        let incoming = Incoming::read(&world.config, request);
        let hit = if world.faults.is_empty() {
            None
        } else {
            let about = about(&world, &incoming);
            world.faults.hit(&about)
        };
        let seq = world.journal.next_seq();
        let entry = Entry {
            seq,
            at,
            method: incoming.method.to_string(),
            path: incoming.path.clone(),
            query: incoming.query.clone(),
            operation: incoming.operation,
            instance: incoming.instance,
            account: world.caller(at, &incoming),
            content_type: incoming.content_type.clone(),
            body: incoming.body.clone(),
            answer: Answer::Pending,
            effect: false,
            action: None,
            fault: hit.as_ref().map(|(id, _)| *id),
        };
        world.journal.entries.push(entry);
        (seq, incoming, hit.map(|(_, kind)| kind))
    }

    /// Gives a request its effect, without answering it.
    fn carry_out(&self, seq: u64, incoming: &Incoming, twist: &Twist) -> (Timestamp, Reply) {
        let mut world = self.lock();
        world.settle();
        let at = world.now();
        let reply = world.handle(at, incoming, twist);
        world.note_effect(seq, reply.action);
        (at, reply)
    }

    fn answer(&self, seq: u64, incoming: &Incoming, twist: &Twist) -> Result<Response<Bytes>, Broken> {
        let (at, reply) = self.carry_out(seq, incoming, twist);
        self.close(seq, Answer::Status(reply.status));
        Ok(reply.into_response(at))
    }

    fn answer_bent(
        &self,
        seq: u64,
        incoming: &Incoming,
        bend: fn(&mut Value),
    ) -> Result<Response<Bytes>, Broken> {
        let (at, mut reply) = self.carry_out(seq, incoming, &Twist::default());
        match &mut reply.payload {
            Payload::Json(_, body) => bend(body),
            Payload::Empty | Payload::Text(..) => {}
        }
        self.close(seq, Answer::Status(reply.status));
        Ok(reply.into_response(at))
    }

    fn replace(
        &self,
        seq: u64,
        incoming: &Incoming,
        effect: bool,
        reply: Reply,
    ) -> Result<Response<Bytes>, Broken> {
        if effect {
            self.carry_out(seq, incoming, &Twist::default());
        }
        self.close(seq, Answer::Status(reply.status));
        Ok(reply.into_response(self.now()))
    }

    fn broken(&self, seq: u64) -> Result<Response<Bytes>, Broken> {
        self.close(seq, Answer::Broken);
        Err(Broken)
    }

    fn close(&self, seq: u64, answer: Answer) {
        if let Some(entry) = self.lock().journal.find(seq) {
            entry.answer = answer;
        }
    }
}

impl World {
    fn postpone_from_now(&mut self, after: std::time::Duration, seq: u64, incoming: Incoming) {
        let at = later(self.now(), after);
        self.postpone(at, seq, incoming);
    }
}

/// What a fault is told about a request.
fn about<'a>(world: &World, incoming: &'a Incoming) -> About<'a> {
    let by_id = incoming.instance.and_then(|id| world.instances.get(&id)).map(|is| is.name.clone());
    let by_action = if let Target::Action(id) = incoming.target { world.actions.get(&id) } else { None };
    let by_action = by_action.map(|action| action.resource_name.clone());
    let by_body = incoming.body.get("name").and_then(Value::as_str).map(str::to_owned);
    let mut names: Vec<String> = [by_id, by_action, by_body].into_iter().flatten().collect();
    names.extend(
        incoming.values("names").into_iter().chain(incoming.value("resourceName")).map(str::to_owned),
    );
    About {
        operation: incoming.operation,
        method: incoming.method.as_str(),
        path: &incoming.path,
        instance: incoming.instance,
        names,
    }
}

fn truncated(mut response: Response<Bytes>) -> Response<Bytes> {
    let full_length = response.body().len();
    let half = response.body().slice(..full_length / 2);
    *response.body_mut() = half;
    response.extensions_mut().insert(Truncated { full_length });
    response
}

/// Changes each field that `wanted` names, at any depth.
fn each_field(body: &mut Value, change: &dyn Fn(&str, &mut Value)) {
    match body {
        Value::Object(fields) => {
            for (field, value) in fields.iter_mut() {
                each_field(value, change);
                change(field, value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each_field(item, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn wrong_types(body: &mut Value) {
    each_field(body, &|field, value| match field {
        "id" => *value = json!({ "value": value.take() }),
        "name" | "resourceName" => *value = json!([value.take()]),
        "status" => *value = json!(7),
        _ => {}
    });
}

fn unknown_status(body: &mut Value) {
    each_field(body, &|field, value| {
        if field == "status" && value.is_string() {
            *value = "QUIESCED".into();
        }
    });
}
