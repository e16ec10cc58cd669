//! What the audience sees of the objects: one line for each change, as `kubectl get --watch` would show
//! it, until they are as asked.
//!
//! Whether an object is as asked is read as Flux, Helm and Argo CD read it. So the demo also fails the
//! moment an object is `Stalled`, as their waits do.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use itcare_lab::kstatus::{self, Status};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::say;
use super::stage::Stage;

/// Quick enough to show every phase of an action of two seconds.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Every step takes a few actions of two seconds and at worst two settle times of twenty.
const WITHIN: Duration = Duration::from_secs(120);

/// The lines so far.
pub struct Board {
    rows: BTreeMap<String, String>,
    since: Instant,
}

impl Board {
    /// An empty one.
    pub fn new() -> Self {
        Self { rows: BTreeMap::new(), since: Instant::now() }
    }

    /// Time counts from now on; the header is shown again.
    pub fn begin(&mut self) {
        self.since = Instant::now();
        say(format!("\n  {:>6}  {}", "TIME", line(["OBJECT", "READY", "REASON", "POWER", "SIZE", "IP"])));
    }

    /// Shows what changes until `done` holds for all objects together.
    ///
    /// # Errors
    ///
    /// When an object is stalled, something that should run has ended, or it takes too long: then with
    /// the conditions of what is not as asked.
    pub async fn until(
        &mut self,
        stage: &mut Stage,
        what: &str,
        done: impl Fn(&[Value]) -> bool,
    ) -> anyhow::Result<Vec<Value>> {
        let end = Instant::now() + WITHIN;
        loop {
            stage.all_running()?;
            let seen = stage.cluster()?.objects().await;
            if let Ok(objects) = &seen {
                self.show(objects);
                if let Some(stalled) = objects.iter().find(|object| is(object, Status::Failed)) {
                    bail!(
                        "{} is stalled: a person would have to act\n{}",
                        title(stalled),
                        conditions(stalled)
                    );
                }
                if done(objects) {
                    return seen;
                }
            }
            if Instant::now() >= end {
                let late = format!("not within {} s: {what}", WITHIN.as_secs());
                let objects = seen.with_context(|| late.clone())?;
                let pending = objects.iter().filter(|object| !is_settled(object)).map(conditions);
                bail!("{late}\n{}", pending.collect::<Vec<_>>().join("\n"));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    fn show(&mut self, objects: &[Value]) {
        // Before its first look the operator has nothing to say about an object, and neither have we.
        let told = objects.iter().filter(|object| object["status"]["conditions"].is_array());
        let rows: BTreeMap<String, String> = told.map(|object| (title(object), row(object))).collect();
        let seconds = self.since.elapsed().as_secs_f32();
        for (title, row) in &rows {
            if self.rows.get(title) != Some(row) {
                say(format!("  {seconds:>4.1} s  {row}"));
            }
        }
        for title in self.rows.keys().filter(|title| !rows.contains_key(*title)) {
            say(format!("  {seconds:>4.1} s  {}", line([title, "", "(gone)", "", "", ""])));
        }
        self.rows = rows;
    }
}

/// As asked: what `kubectl wait --for=condition=Ready`, Flux and Helm wait for.
pub fn is_settled(object: &Value) -> bool {
    is(object, Status::Current)
}

/// The object of this name.
pub fn named<'a>(objects: &'a [Value], name: &str) -> Option<&'a Value> {
    objects.iter().find(|object| object["metadata"]["name"] == name)
}

/// The value behind a path of the object of this name; null where there is none.
pub fn value<'a>(objects: &'a [Value], name: &str, path: &str) -> &'a Value {
    named(objects, name).and_then(|object| object.pointer(path)).unwrap_or(&Value::Null)
}

fn is(object: &Value, status: Status) -> bool {
    kstatus::compute(object).is_ok_and(|verdict| verdict.status == status)
}

fn title(object: &Value) -> String {
    let kind = if object["kind"] == "ITCareSnapshot" { "itcsnap" } else { "itcvm" };
    format!("{kind}/{}", object["metadata"]["name"].as_str().unwrap_or_default())
}

fn row(object: &Value) -> String {
    let status = &object["status"];
    let all = status["conditions"].as_array();
    let ready = all.and_then(|all| all.iter().find(|condition| condition["type"] == "Ready"));
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("-").to_owned();
    let of_ready = |key: &str| text(ready.and_then(|ready| ready.get(key)));
    let of_status = |key: &str| text(status.get(key));
    line([
        &title(object),
        &of_ready("status"),
        &of_ready("reason"),
        &of_status("powerState"),
        &of_status("size"),
        &of_status("ipAddress"),
    ])
}

fn line(cells: [&str; 6]) -> String {
    let [object, ready, reason, power, size, address] = cells;
    let text = format!("{object:<27} {ready:<8} {reason:<19} {power:<8} {size:<10} {address}");
    text.trim_end().to_owned()
}

/// Its conditions, a line each.
fn conditions(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let lines = object["status"]["conditions"].as_array().into_iter().flatten().map(|condition| {
        format!(
            "  {}={} {}: {}",
            text(&condition["type"]),
            text(&condition["status"]),
            text(&condition["reason"]),
            text(&condition["message"])
        )
    });
    std::iter::once(format!("{}:", title(object))).chain(lines).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(ready: &str, more: Option<(&str, &str)>) -> Value {
        let mut conditions = vec![json!({"type": "Ready", "status": ready, "reason": "R", "message": "m"})];
        conditions.extend(more.map(|(name, status)| json!({"type": name, "status": status})));
        json!({
            "kind": "ITCareInstance",
            "metadata": {"name": "web", "generation": 2},
            "status": {"observedGeneration": 2, "conditions": conditions, "powerState": "Running"},
        })
    }

    #[test]
    fn a_row_shows_the_columns_that_kubectl_shows() {
        let row = row(&object("True", None));
        let cells: Vec<_> = row.split_whitespace().collect();
        assert_eq!(cells, ["itcvm/web", "True", "R", "Running", "-", "-"]);
    }

    #[test]
    fn settled_needs_the_newest_generation() {
        let mut object = object("True", None);
        assert!(is_settled(&object));
        object["metadata"]["generation"] = json!(3);
        assert!(!is_settled(&object));
    }

    #[test]
    fn a_new_object_without_conditions_is_not_settled() {
        let object =
            json!({"metadata": {"name": "web", "generation": 1}, "status": {"observedGeneration": -1}});
        assert!(!is_settled(&object));
    }

    #[test]
    fn conditions_are_told_in_full() {
        let text = conditions(&object("False", Some(("Stalled", "True"))));
        assert!(text.starts_with("itcvm/web:\n  Ready=False R: m\n  Stalled=True"), "{text}");
    }
}
