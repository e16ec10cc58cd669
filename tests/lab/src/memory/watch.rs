//! The stream of one watch: history after a resourceVersion, bookmarks, and its ends.
//!
//! A watch reads the shared history at its own pace; nothing is sent to it, it is only woken. So a
//! slow reader loses nothing, and holding events back is a limit on what may be read.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt, Full, StreamBody};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::MemoryApi;
use super::failure::Failure;
use super::request::{Options, Selector, Target};
use super::serve::{BoxError, ResponseBody, metadata_of};
use super::store::{Change, Happened};

/// About as often as the real server sends them.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

struct Watch {
    api: MemoryApi,
    target: Target,
    kind: String,
    api_version: String,
    selector: Selector,
    metadata_only: bool,
    /// Everything up to here was read.
    cursor: u64,
    epoch: u64,
    expires: u64,
    ready: VecDeque<Value>,
    next_bookmark: Option<Instant>,
    deadline: Option<Instant>,
    ended: bool,
}

enum Look {
    Found,
    Nothing,
    End,
}

impl MemoryApi {
    pub(super) fn watch(
        &self,
        target: &Target,
        options: &Options,
        metadata_only: bool,
    ) -> Result<Response<ResponseBody>, Failure> {
        let selector = Selector::read(target, options)?;
        let asked = options.number("resourceVersion")?.unwrap_or(0);
        let timeout = options.number("timeoutSeconds")?.map(Duration::from_secs);
        let bookmarks = options.flag("allowWatchBookmarks");
        let mut state = self.state();
        let definition = state.definition(&target.group, &target.version, &target.resource);
        state.watches += 1;
        let mut watch = Watch {
            api: self.clone(),
            target: target.clone(),
            kind: definition.kind.clone(),
            api_version: definition.api_version(),
            selector,
            metadata_only,
            cursor: asked,
            epoch: state.watch_epoch,
            expires: state.expired_epoch,
            ready: VecDeque::new(),
            next_bookmark: bookmarks.then(|| Instant::now() + BOOKMARK_EVERY),
            deadline: timeout.map(|timeout| Instant::now() + timeout),
            ended: false,
        };
        let initial = options.flag("sendInitialEvents");
        if asked == 0 || initial {
            // Without a version, a watch starts with all there is.
            let objects = state.store.list(&target.group, &target.resource);
            let events = objects
                .filter(|object| watch.selector.matches(object))
                .map(|object| watch.event("ADDED", object));
            let events: VecDeque<_> = events.collect();
            watch.ready = events;
            watch.cursor = state.store.revision;
            if initial {
                let mut end = watch.bookmark();
                end["object"]["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
                watch.ready.push_back(end);
            }
        }
        drop(state);
        let frames = stream::unfold(watch, |mut watch| async move {
            let line = watch.next().await?;
            let frame = Full::new(line).frame().await?;
            Some((frame.map_err(|never| -> BoxError { match never {} }), watch))
        });
        let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }
}

impl Watch {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                let mut line = serde_json::to_vec(&event).expect("a value is JSON");
                line.push(b'\n');
                return Some(line.into());
            }
            if self.ended {
                return None;
            }
            let api = self.api.clone();
            let woken = api.shared.changed.notified();
            tokio::pin!(woken);
            // Registered before looking, or a change in between would be slept through.
            woken.as_mut().enable();
            match self.look() {
                Look::Found => continue,
                Look::End => return None,
                Look::Nothing => {}
            }
            // In a fixed order, so that a run under paused time is the same each time.
            tokio::select! {
                biased;
                () = woken => {}
                () = until(self.deadline) => self.ended = true,
                () = until(self.next_bookmark) => {
                    self.next_bookmark = Some(Instant::now() + BOOKMARK_EVERY);
                    let bookmark = self.bookmark();
                    self.ready.push_back(bookmark);
                }
            }
        }
    }

    /// Reads the history as far as it may be seen.
    fn look(&mut self) -> Look {
        let api = self.api.clone();
        let state = api.state();
        if state.watch_epoch != self.epoch {
            return Look::End;
        }
        if self.cursor < state.store.compacted || self.expires != state.expired_epoch {
            let failure = Failure::too_old(self.cursor, state.store.compacted);
            self.ready.push_back(json!({"type": "ERROR", "object": failure.status()}));
            self.ended = true;
            return Look::Found;
        }
        let visible = state.held_at.unwrap_or(u64::MAX);
        let history = &state.store.history;
        let first = history.partition_point(|change| change.revision <= self.cursor);
        for change in history[first..].iter().take_while(|change| change.revision <= visible) {
            self.cursor = change.revision;
            if let Some(event) = self.event_of(change) {
                self.ready.push_back(event);
            }
        }
        if self.ready.is_empty() { Look::Nothing } else { Look::Found }
    }

    /// What this watch sees of a change: an object may also enter or leave its selection.
    fn event_of(&self, change: &Change) -> Option<Value> {
        if change.lost || change.group != self.target.group || change.resource != self.target.resource {
            return None;
        }
        let before = change.previous.as_ref().is_some_and(|previous| self.selector.matches(previous));
        let after = change.happened != Happened::Deleted && self.selector.matches(&change.object);
        match (before, after) {
            (false, true) => Some(self.event("ADDED", &change.object)),
            (true, true) => Some(self.event("MODIFIED", &change.object)),
            (true, false) if change.happened == Happened::Deleted => {
                Some(self.event("DELETED", &change.object))
            }
            (true, false) => change.previous.as_ref().map(|previous| {
                // As it was when it last belonged to the selection, with the version of its leaving.
                let mut left = self.event("DELETED", previous);
                left["object"]["metadata"]["resourceVersion"] =
                    change.object["metadata"]["resourceVersion"].clone();
                left
            }),
            (false, false) => None,
        }
    }

    fn event(&self, name: &str, object: &Value) -> Value {
        let object = if self.metadata_only { metadata_of(object) } else { object.clone() };
        json!({"type": name, "object": object})
    }

    fn bookmark(&self) -> Value {
        let metadata = json!({"resourceVersion": self.cursor.to_string(), "creationTimestamp": null});
        json!({"type": "BOOKMARK", "object": {"apiVersion": self.api_version, "kind": self.kind, "metadata": metadata}})
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut state = self.api.state();
        state.watches = state.watches.saturating_sub(1);
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
