//! How all objects stand, as numbers: counted from what the watches bring, so that an alert need not ask the API
//! server. Every replica counts, since every replica watches.
//!
//! Deliberately not here: names. A condition is told by the words of our own lists; whatever else somebody wrote
//! into a status is not counted.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::Deserialize;

use super::meter::Meter;
use super::queue::Item;
use super::record::controller;
use super::subject::Subject;
use crate::crd::{ConditionType, Reason, Record};
use crate::model::ObjectKey;

/// The count.
pub struct Census {
    meter: Meter,
    standings: Mutex<HashMap<Item, Standing>>,
}

/// One condition: type, status, reason.
type Told = (ConditionType, &'static str, Reason);

/// How one object stands.
#[derive(Debug, Default, PartialEq, Eq)]
struct Standing {
    conditions: Box<[Told]>,
    /// Only of objects on their way, and of snapshots.
    times: Option<Box<Times>>,
}

/// Since when.
#[derive(Debug, Default, PartialEq, Eq)]
struct Times {
    deleting: Option<Timestamp>,
    /// Since when work goes on, whatever its reasons were in between.
    reconciling: Option<Timestamp>,
    /// When the snapshot was made, if it can be recovered.
    recoverable: Option<Timestamp>,
}

/// What is read of a status.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(default, borrow)]
    conditions: Vec<ShownCondition<'a>>,
    created_at: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShownCondition<'a> {
    #[serde(rename = "type", borrow)]
    type_: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
    last_transition_time: Option<Timestamp>,
}

impl Census {
    /// Nobody yet.
    #[must_use]
    pub fn new(meter: Meter) -> Self {
        Self { meter, standings: Mutex::default() }
    }

    /// An object came or changed.
    pub fn saw<K: Subject>(&self, record: &Record<K>) {
        let deleting = record.deleted;
        let standing = standing(&record.status_text(), deleting);
        let controller = controller::<K>();
        let old = self.with(|all| {
            self.count(controller, &standing, 1);
            all.insert(K::item(record.key.clone()), standing)
        });
        if let Some(old) = old {
            self.count(controller, &old, -1);
        }
    }

    /// An object is gone.
    pub fn gone<K: Subject>(&self, key: &ObjectKey) {
        let controller = controller::<K>();
        if let Some(old) = self.with(|all| all.remove(&K::item(key.clone()))) {
            self.count(controller, &old, -1);
        }
    }

    /// A complete list holds these and no others.
    pub fn listed<K: Subject>(&self, keys: &HashSet<ObjectKey>) {
        let controller = controller::<K>();
        self.with(|all| {
            all.retain(|item, standing| {
                let keep = item.controller() != controller || keys.contains(item.key());
                if !keep {
                    self.count(controller, standing, -1);
                }
                keep
            });
        });
    }

    /// Tells how long things have waited.
    pub fn age(&self, now: Timestamp) {
        let since = |time: &Timestamp| now.duration_since(*time).as_secs_f64().max(0.0);
        self.with(|all| {
            for controller in ["instance", "snapshot"] {
                let own = || {
                    let all = all.iter().filter(|(item, _)| item.controller() == controller);
                    all.filter_map(|(_, standing)| standing.times.as_deref())
                };
                let deleting = own().filter_map(|times| times.deleting.as_ref()).min();
                let reconciling = own().filter_map(|times| times.reconciling.as_ref()).min();
                self.meter.waits(controller, deleting.map_or(0.0, since), reconciling.map_or(0.0, since));
            }
            let times = all.values().filter_map(|standing| standing.times.as_deref());
            let oldest = times.filter_map(|times| times.recoverable.as_ref()).min();
            self.meter.snapshot_age(oldest.map_or(0.0, since));
        });
    }

    fn count(&self, controller: &'static str, standing: &Standing, change: i64) {
        self.meter.objects(controller, change);
        for told in &standing.conditions {
            self.meter.condition(controller, *told, change);
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Item, Standing>) -> T) -> T {
        act(&mut self.standings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A status that does not decode tells nothing.
fn standing(status: &str, deleting: Option<Timestamp>) -> Standing {
    let shown: Shown<'_> = serde_json::from_str(status).unwrap_or_default();
    let conditions: Box<[Told]> = shown.conditions.iter().filter_map(told).collect();
    let available = |(type_, status, _): &Told| *type_ == ConditionType::Available && *status == "True";
    let recoverable = conditions.iter().any(available).then_some(shown.created_at).flatten();
    let working = |shown: &&ShownCondition<'_>| {
        shown.type_ == ConditionType::Reconciling.as_str() && shown.status == "True"
    };
    let reconciling = shown.conditions.iter().find(working).and_then(|shown| shown.last_transition_time);
    let times = Times { deleting, reconciling, recoverable };
    Standing { conditions, times: (times != Times::default()).then(|| Box::new(times)) }
}

fn told(shown: &ShownCondition<'_>) -> Option<Told> {
    let type_ = ConditionType::ALL.into_iter().find(|type_| type_.as_str() == shown.type_)?;
    let status = ["True", "False", "Unknown"].into_iter().find(|status| *status == shown.status)?;
    let reason = Reason::ALL.iter().copied().find(|reason| reason.as_str() == shown.reason)?;
    Some((type_, status, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::{Fetched, ITCareInstance, ITCareSnapshot};
    use crate::platform::metrics::Metrics;

    fn census() -> (Census, Metrics) {
        let metrics = Metrics::default();
        (Census::new(Meter::new(&metrics)), metrics)
    }

    fn record<K: Subject>(name: &str, status: &serde_json::Value) -> Record<K> {
        let deleting = status.get("deleting").cloned();
        let object = serde_json::json!({
            "metadata": {"namespace": "shop", "name": name, "deletionTimestamp": deleting},
            "spec": {},
            "status": status,
        });
        serde_json::from_value::<Fetched<K>>(object).unwrap().record
    }

    fn stalled(reason: &str) -> serde_json::Value {
        serde_json::json!({"conditions": [
            {"type": "Ready", "status": "False", "reason": reason},
            {"type": "Stalled", "status": "True", "reason": reason},
        ]})
    }

    fn value(metrics: &Metrics, series: &str) -> Option<f64> {
        metrics.text().lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }

    const STALLED: &str = "itcare_operator_conditions{controller=\"instance\",condition=\"Stalled\",status=\"True\",reason=\"NameTaken\"}";

    #[test]
    fn an_object_counts_as_it_stands_now_and_no_longer_once_it_is_gone() {
        let (census, metrics) = census();
        let web = record::<ITCareInstance>("web", &stalled("NameTaken"));
        census.saw(&web);
        census.saw(&web);
        let db = record::<ITCareInstance>("db", &stalled("NameTaken"));
        census.saw(&db);
        assert_eq!(value(&metrics, STALLED), Some(2.0));
        census.saw(&record::<ITCareInstance>("web", &stalled("Conflict")));
        assert_eq!(value(&metrics, STALLED), Some(1.0));
        census.gone::<ITCareInstance>(&web.key);
        census.gone::<ITCareInstance>(&web.key);
        assert_eq!(value(&metrics, "itcare_operator_objects{controller=\"instance\"}"), Some(1.0));
    }

    #[test]
    fn a_new_list_ends_what_it_does_not_show_of_its_own_kind() {
        let (census, metrics) = census();
        let web = record::<ITCareInstance>("web", &stalled("NameTaken"));
        let before = record::<ITCareSnapshot>("before", &stalled("SlotTaken"));
        census.saw(&web);
        census.saw(&before);
        census.listed::<ITCareInstance>(&HashSet::new());
        assert_eq!(value(&metrics, "itcare_operator_objects{controller=\"instance\"}"), Some(0.0));
        assert_eq!(value(&metrics, "itcare_operator_objects{controller=\"snapshot\"}"), Some(1.0));
        assert_eq!(value(&metrics, STALLED), Some(0.0));
    }

    #[test]
    fn the_longest_wait_and_the_oldest_recoverable_snapshot_are_told() {
        let (census, metrics) = census();
        let now: Timestamp = "2026-01-02T01:00:00Z".parse().unwrap();
        let deleting = serde_json::json!({"deleting": "2026-01-02T00:00:00Z", "conditions": [
            {"type": "Reconciling", "status": "True", "reason": "Deleting", "lastTransitionTime": "2026-01-02T00:59:00Z"},
        ]});
        let web = record::<ITCareInstance>("web", &deleting);
        census.saw(&web);
        let snapshot = |available: &str, created: &str| {
            serde_json::json!({"createdAt": created, "conditions": [
                {"type": "Available", "status": available, "reason": "Available"},
            ]})
        };
        for (name, status) in [
            ("old", snapshot("False", "2026-01-01T00:00:00Z")),
            ("good", snapshot("True", "2026-01-02T00:30:00Z")),
        ] {
            let record = record::<ITCareSnapshot>(name, &status);
            census.saw(&record);
        }
        census.age(now);
        let wait = "itcare_operator_deletion_wait_seconds{controller=\"instance\"}";
        assert_eq!(value(&metrics, wait), Some(3600.0));
        let working = "itcare_operator_reconciling_seconds{controller=\"instance\"}";
        assert_eq!(value(&metrics, working), Some(60.0));
        assert_eq!(value(&metrics, "itcare_operator_oldest_snapshot_age_seconds"), Some(1800.0));
        census.gone::<ITCareInstance>(&web.key);
        census.age(now);
        assert_eq!(value(&metrics, wait), Some(0.0));
    }

    #[test]
    fn words_that_are_not_ours_make_no_series() {
        let (census, metrics) = census();
        let foreign = serde_json::json!({"conditions": [
            {"type": "Ready", "status": "True", "reason": "id-5220149"},
            {"type": "Custom", "status": "True", "reason": "Running"},
        ]});
        let record = record::<ITCareInstance>("web", &foreign);
        census.saw(&record);
        assert!(!metrics.text().contains("itcare_operator_conditions{"), "{}", metrics.text());
    }
}
