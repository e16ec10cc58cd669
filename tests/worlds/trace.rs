//! A world as text: every call to ITCare and every write to the API server, with its virtual time.

use std::fmt::Write;

use itcare_lab::memory::Recorded;
use itcare_sim::Entry;
use serde_json::Value;

/// One line for each, the calls first.
pub fn of(calls: &[Entry], writes: &[Recorded]) -> String {
    let mut text = String::new();
    for Entry { at, method, path, query, body, answer, action, fault, .. } in calls {
        let _ = writeln!(text, "{at} {method} {path}?{query} {body} → {answer:?} {action:?} {fault:?}");
    }
    for Recorded { at, verb, resource, subresource, name, query, body, code, .. } in writes {
        // kube stamps and names Events by the clock of the machine.
        let (name, body) = match resource.as_str() {
            "events" => ("", without_real_time(body.clone())),
            _ => (name.as_str(), body.clone()),
        };
        let _ = writeln!(text, "{at} {verb:?} {resource}/{subresource} {name}?{query} {body} → {code:?}");
    }
    text
}

fn without_real_time(mut event: Value) -> Value {
    event["metadata"]["name"] = Value::Null;
    event["eventTime"] = Value::Null;
    event["series"]["lastObservedTime"] = Value::Null;
    event
}
