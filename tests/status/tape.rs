//! Every version of one object, as kstatus and `kubectl wait` saw it.

use std::sync::{Arc, Mutex};

use futures::StreamExt;
use futures::stream::BoxStream;
use itcare_lab::kstatus::{Status, compute, kubectl_wait};
use itcare_lab::memory::MemoryApi;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::support::Seen;

/// One version.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    pub status: Status,
    pub reason: String,
    /// Whether `kubectl wait --for=condition=Ready` would return.
    pub waited: bool,
    pub object: Value,
}

/// Every version of every object of a resource, as it appears.
pub fn versions(api: &MemoryApi, resource: &str) -> BoxStream<'static, Value> {
    let kind = if resource == "itcareinstances" { "ITCareInstance" } else { "ITCareSnapshot" };
    let known = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("itcare.cegedim.cloud", "v1alpha1", kind),
        resource,
    );
    let objects: Api<DynamicObject> = Api::all_with(api.client(), &known);
    let events = watcher(objects, watcher::Config::default()).filter_map(|event| async {
        match event.expect("the API server in memory does not fail by itself") {
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => {
                Some(serde_json::to_value(object).expect("an object is JSON"))
            }
            watcher::Event::Delete(_) | watcher::Event::Init | watcher::Event::InitDone => None,
        }
    });
    events.boxed()
}

/// A recording.
pub struct Tape {
    frames: Arc<Mutex<Vec<Frame>>>,
    task: JoinHandle<()>,
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Tape {
    /// Records the object of that name in `shop` until the tape is dropped.
    pub fn of(api: &MemoryApi, resource: &'static str, name: &'static str) -> Self {
        let frames: Arc<Mutex<Vec<Frame>>> = Arc::default();
        let written = Arc::clone(&frames);
        let mut events = versions(api, resource);
        let task = tokio::spawn(async move {
            while let Some(object) = events.next().await {
                if object["metadata"]["name"] == name {
                    written.lock().expect("nobody panics with it").push(frame(object));
                }
            }
        });
        Self { frames, task }
    }

    /// All versions so far.
    pub fn frames(&self) -> Vec<Frame> {
        self.frames.lock().expect("nobody panics with it").clone()
    }

    /// The story: each status and reason of `Ready`, without repetitions.
    pub fn story(&self) -> Vec<(Status, String)> {
        let mut story: Vec<(Status, String)> = Vec::new();
        for Frame { status, reason, .. } in self.frames() {
            if story.last() != Some(&(status, reason.clone())) {
                story.push((status, reason));
            }
        }
        story
    }
}

fn frame(object: Value) -> Frame {
    let verdict =
        compute(&object).unwrap_or_else(|error| panic!("kstatus cannot read it: {error}: {object:#}"));
    let seen = Seen(object.clone());
    Frame {
        status: verdict.status,
        reason: seen.reason().to_owned(),
        waited: kubectl_wait(&object, "Ready", "True"),
        object,
    }
}
