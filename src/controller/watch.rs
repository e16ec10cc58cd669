//! From watches to records: what the index of claims hears, and several namespaces as one stream.

use std::collections::HashSet;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use kube::Api;
use kube::runtime::{WatchStreamExt, watcher};
use tokio_util::sync::CancellationToken;

use super::Context;
use super::subject::Subject;
use crate::crd::{Fetched, Kind, Record};
use crate::model::ObjectKey;
use crate::platform::{Health, words};

/// The events of one kind.
type Events<K> = BoxStream<'static, Result<watcher::Event<Record<K>>, watcher::Error>>;

/// One watch per namespace, or one for all; it never ends.
fn watch<K: Kind>(client: &kube::Client, namespaces: &[String]) -> Events<K> {
    let config = || watcher::Config::default().page_size(500);
    let one = |api: Api<Fetched<K>>| watcher(api, config()).default_backoff().map_ok(record).boxed();
    match namespaces {
        [] => one(Api::all(client.clone())),
        [only] => one(Api::namespaced(client.clone(), only)),
        several => {
            let streams = several.iter().map(|namespace| one(Api::namespaced(client.clone(), namespace)));
            join(streams.collect())
        }
    }
}

/// The same event of what is kept.
fn record<K: Kind>(event: watcher::Event<Fetched<K>>) -> watcher::Event<Record<K>> {
    use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
    match event {
        Apply(fetched) => Apply(fetched.record),
        Delete(fetched) => Delete(fetched.record),
        Init => Init,
        InitApply(fetched) => InitApply(fetched.record),
        InitDone => InitDone,
    }
}

/// Follows the objects of a kind, for ever. Tells the index of claims, and whom a change concerns, before anything is
/// decided upon it; `listed` once all are there.
pub async fn follow<K: Subject>(
    context: &Context,
    client: &kube::Client,
    namespaces: &[String],
    health: &Health,
    listed: &CancellationToken,
) {
    let mut events = watch::<K>(client, namespaces);
    // The objects of the list that is coming in.
    let mut listing = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Init) => listing.clear(),
            Ok(watcher::Event::InitApply(record)) => {
                listing.insert(record.key.clone());
                apply(context, &record);
            }
            Ok(watcher::Event::Apply(record)) => apply(context, &record),
            Ok(watcher::Event::Delete(record)) => {
                context.census.gone::<K>(&record.key);
                context.wake(K::forget(context, &record.key));
            }
            Ok(watcher::Event::InitDone) => {
                context.census.listed::<K>(&listing);
                // A list tells of no deletion: what it does not show any more is gone.
                for key in K::objects(context).missing_from(&listing) {
                    context.wake(K::forget(context, &key));
                }
                listing = HashSet::new();
                listed.cancel();
            }
            Err(error) => {
                let error = words(&error);
                tracing::warn!(error, "watch");
                health.explain("caches", format!("the API server does not list the objects: {error}"));
            }
        }
    }
}

fn apply<K: Subject>(context: &Context, record: &Record<K>) {
    context.census.saw(record);
    context.wake(K::apply(context, record));
    if K::objects(context).saw(record) {
        let urgent = K::objects(context).is_unseen(&record.key);
        context.queue.add(K::item(record.key.clone()), urgent);
    }
}

/// One namespace among several.
#[derive(Default)]
struct Part {
    /// Its first list is complete.
    listed: bool,
    listing: HashSet<ObjectKey>,
    known: HashSet<ObjectKey>,
}

/// Several namespaces as one stream: `Init` once, `InitDone` when the last of them is listed. A later list of one
/// namespace must not clear the others: what it shows is applied, and what it lacks is deleted.
struct Join<K: Kind> {
    parts: Vec<Part>,
    begun: bool,
    /// Deletions that came before everything was listed.
    held: Vec<watcher::Event<Record<K>>>,
}

impl<K: Kind> Join<K> {
    fn is_listed(&self) -> bool {
        self.parts.iter().all(|part| part.listed)
    }

    /// What one event of one namespace means for the whole.
    fn step(&mut self, index: usize, event: watcher::Event<Record<K>>) -> Vec<watcher::Event<Record<K>>> {
        use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
        let whole = self.is_listed();
        let Some(part) = self.parts.get_mut(index) else { return Vec::new() };
        match event {
            Init => {
                part.listing.clear();
                if std::mem::replace(&mut self.begun, true) { Vec::new() } else { vec![Init] }
            }
            InitApply(record) | Apply(record) => {
                part.listing.insert(record.key.clone());
                part.known.insert(record.key.clone());
                // Until all are listed, the store takes over only what comes as part of a list.
                vec![if whole { Apply(record) } else { InitApply(record) }]
            }
            Delete(record) => {
                part.known.remove(&record.key);
                self.delete(whole, vec![Delete(record)])
            }
            InitDone => {
                let gone: Vec<_> = part.known.difference(&part.listing).cloned().collect();
                part.known.retain(|key| !gone.contains(key));
                let again = std::mem::replace(&mut part.listed, true);
                let gone = gone.iter().map(|key| Delete(Record::stub(key.clone()))).collect();
                let mut events = self.delete(whole, gone);
                if !again && self.is_listed() {
                    events.push(InitDone);
                    events.append(&mut self.held);
                }
                events
            }
        }
    }

    fn delete(
        &mut self,
        whole: bool,
        mut gone: Vec<watcher::Event<Record<K>>>,
    ) -> Vec<watcher::Event<Record<K>>> {
        if whole {
            return gone;
        }
        self.held.append(&mut gone);
        Vec::new()
    }
}

fn join<K: Kind>(streams: Vec<Events<K>>) -> Events<K> {
    let parts = streams.iter().map(|_| Part::default()).collect();
    let mut joined = Join { parts, begun: false, held: Vec::new() };
    let tagged =
        streams.into_iter().enumerate().map(|(index, stream)| stream.map(move |event| (index, event)));
    futures::stream::select_all(tagged)
        .flat_map(move |(index, event)| {
            let events = match event {
                Ok(event) => joined.step(index, event).into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            futures::stream::iter(events)
        })
        .boxed()
}
