//! The objects and their history: every write's rules, in the order in which the real server
//! applies them.
//!
//! No HTTP, no clock (the time comes as a text) and no waiting. Nothing is validated: neither
//! schemas nor CEL rules, neither names nor namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::definition::Definition;
use super::failure::Failure;
use super::fields::{Leaves, Paths, merge, merge_patch, remove, without_empty_items, without_empty_lists};
use super::ownership::{Owners, Writer, owned_leaves};
use super::settle::{
    bump_generation, check_uid, check_version, default_status, differs_in_spec, drop_empty, has_finalizers,
    only, set_or_remove, settle,
};

/// Where an object is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) group: String,
    pub(super) resource: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happened {
    Added,
    Modified,
    Deleted,
}

/// One line of the history that watches read.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) revision: u64,
    pub(super) group: String,
    pub(super) resource: String,
    pub(super) happened: Happened,
    pub(super) object: Arc<Value>,
    pub(super) previous: Option<Arc<Value>>,
    /// Watches never see it.
    pub(super) lost: bool,
}

/// Which part of an object a write may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All but the status, where that is apart.
    Main,
    /// The status alone.
    Status,
    /// Both at once: no request can, only a test.
    Whole,
}

#[derive(Debug, Clone)]
struct Stored {
    object: Arc<Value>,
    /// What of it can be owned, which each write compares with.
    leaves: Arc<Leaves>,
    owners: Owners,
    /// The status is only the schema's default, which a create fills in when reading. The next
    /// update saves it, so that it is a write even when it changes nothing.
    defaulted: bool,
}

/// What a write makes of an object, before it is known whether it changes anything.
struct Settled {
    object: Value,
    leaves: Leaves,
    owners: Owners,
}

/// Who writes which part, and when.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) writer: Writer,
    pub(super) part: Part,
    pub(super) now: String,
}

/// What comes with a DELETE.
#[derive(Debug, Clone, Default)]
pub(super) struct Preconditions {
    pub(super) uid: Option<String>,
    pub(super) resource_version: Option<String>,
}

/// All objects, one revision counter, one history.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) revision: u64,
    pub(super) compacted: u64,
    pub(super) history: Vec<Change>,
    /// Revisions that watches never see.
    pub(super) lose: BTreeSet<u64>,
    objects: BTreeMap<Key, Stored>,
    uids: u64,
}

impl Store {
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.objects.get(key).map(|stored| stored.object.clone())
    }

    /// In the order of namespace and name.
    pub(super) fn list<'a>(
        &'a self,
        group: &'a str,
        resource: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Value>> {
        let first = Key {
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: String::new(),
            name: String::new(),
        };
        self.objects
            .range(first..)
            .take_while(move |(key, _)| key.group == group && key.resource == resource)
            .map(|(_, stored)| &stored.object)
    }

    /// The same as they were at that revision, as far as the history reaches back.
    pub(super) fn list_at(&self, group: &str, resource: &str, revision: u64) -> Vec<Arc<Value>> {
        let place = |object: &Value| {
            let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
            (text("namespace"), text("name"))
        };
        let mut objects: BTreeMap<_, _> =
            self.list(group, resource).map(|object| (place(object), object.clone())).collect();
        let later = self.history.iter().rev().take_while(|change| change.revision > revision);
        for change in later.filter(|change| change.group == group && change.resource == resource) {
            match &change.previous {
                Some(previous) => objects.insert(place(previous), previous.clone()),
                None => objects.remove(&place(&change.object)),
            };
        }
        objects.into_values().collect()
    }

    /// Forgets the history: watches from before get "too old".
    pub(super) fn compact(&mut self) {
        self.compacted = self.revision;
        self.history.clear();
    }

    pub(super) fn create(
        &mut self,
        definition: &Definition,
        namespace: &str,
        body: &Value,
        write: &Write,
    ) -> Result<Arc<Value>, Failure> {
        let Write { writer, now, .. } = write;
        let mut object = body.clone();
        self.uids += 1;
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        let name = match (object["metadata"]["name"].as_str(), object["metadata"]["generateName"].as_str()) {
            (Some(name), _) if !name.is_empty() => name.to_owned(),
            (_, Some(prefix)) => format!("{prefix}{:05x}", self.uids),
            _ => {
                return Err(Failure::new(
                    422,
                    "metadata.name: Required value: name or generateName is required",
                ));
            }
        };
        let key = Key {
            group: definition.group.clone(),
            resource: definition.resource.clone(),
            namespace: namespace.to_owned(),
            name: name.clone(),
        };
        if self.objects.contains_key(&key) {
            return Err(Failure::already_exists(&definition.qualified(), &name));
        }
        if !object["metadata"]["resourceVersion"].is_null() {
            return Err(Failure::new(400, "resourceVersion should not be set on objects to be created"));
        }
        let metadata = &mut object["metadata"];
        metadata["name"] = json!(name);
        if !namespace.is_empty() {
            metadata["namespace"] = json!(namespace);
        }
        metadata["uid"] = json!(format!("00000000-0000-4000-8000-{:012x}", self.uids));
        metadata["creationTimestamp"] = json!(now);
        if let Value::Object(fields) = metadata {
            for server in ["deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "generation"] {
                fields.remove(server);
            }
            drop_empty(fields);
        }
        if definition.custom {
            object["metadata"]["generation"] = json!(1);
        }
        if definition.status {
            set_or_remove(&mut object, "status", None);
        }
        if !writer.apply {
            definition.defaults.fill(&mut object);
        }
        let mut owners = Owners::default();
        let leaves = owned_leaves(&object, &definition.shapes);
        if writer.apply {
            // What an applied object leaves to the schema belongs to nobody.
            definition.defaults.fill(&mut object);
            owners.apply(writer, &without_empty_lists(leaves, &definition.shapes), &Leaves::new());
        } else {
            owners.update(writer, &Leaves::new(), &leaves);
        }
        owners.stamp(writer, &definition.api_version(), now);
        let defaulted = default_status(definition, &mut object);
        let leaves = Arc::new(owned_leaves(&object, &definition.shapes));
        let stored = Stored { object: Arc::new(object), leaves, owners, defaulted };
        Ok(self.commit(key, stored, Happened::Added))
    }

    /// PUT: the body is the wished object. True in the answer when it was created.
    pub(super) fn replace(
        &mut self,
        definition: &Definition,
        key: &Key,
        write: &Write,
        body: &Value,
    ) -> Result<(Arc<Value>, bool), Failure> {
        let version = body["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if definition.put_creates && !self.objects.contains_key(key) {
            return match body["metadata"]["uid"].as_str() {
                Some(_) => Err(Failure::stale(&definition.qualified(), &key.name)),
                None => {
                    let mut body = body.clone();
                    set_or_remove(&mut body["metadata"], "resourceVersion", None);
                    Ok((self.create(definition, &key.namespace, &body, write)?, true))
                }
            };
        }
        let updated = self.update(definition, key, write, |live| {
            // Of a PUT the uid is a precondition, elsewhere it is a field that may not change.
            check_uid(live, body).map_err(|_| Failure::stale(&definition.qualified(), &key.name))?;
            if (definition.custom || definition.put_creates) && version.is_empty() {
                let message = "metadata.resourceVersion: Invalid value: 0: must be specified for an update";
                return Err(Failure::new(422, message));
            }
            Ok(body.clone())
        })?;
        Ok((updated, false))
    }

    /// PUT and merge patch: `produce` makes the wished object from the live one.
    pub(super) fn update(
        &mut self,
        definition: &Definition,
        key: &Key,
        write: &Write,
        produce: impl FnOnce(&Value) -> Result<Value, Failure>,
    ) -> Result<Arc<Value>, Failure> {
        let live = self.objects.get(key).ok_or_else(|| missing(definition, key))?.clone();
        let mut proposed = produce(&live.object)?;
        definition.defaults.fill(&mut proposed);
        check_version(definition, key, &live.object, &proposed)?;
        // A write of the status leaves the metadata alone, and does not look at it.
        if write.part != Part::Status {
            check_uid(&live.object, &proposed)?;
        }
        if write.part != Part::Main {
            default_status(definition, &mut proposed);
        }
        let settled = settle(definition, write.part, &live.object, proposed)?;
        let new = owned_leaves(&settled, &definition.shapes);
        let mut owners = live.owners.clone();
        owners.update(&write.writer, &live.leaves, &new);
        owners.prune(&new);
        self.finish(definition, key, &live, Settled { object: settled, leaves: new, owners }, write)
    }

    /// A merge patch. `metadata.resourceVersion` in it makes it a compare-and-swap.
    pub(super) fn merge_patch(
        &mut self,
        definition: &Definition,
        key: &Key,
        write: &Write,
        patch: &Value,
    ) -> Result<Arc<Value>, Failure> {
        self.update(definition, key, write, |live| Ok(merge_patch(live, patch)))
    }

    /// Server-side apply; creates the object when it is not there. True in the answer when created.
    pub(super) fn apply(
        &mut self,
        definition: &Definition,
        key: &Key,
        write: &Write,
        force: bool,
        body: &Value,
    ) -> Result<(Arc<Value>, bool), Failure> {
        let Write { writer, part, .. } = write;
        let part = *part;
        let Some(live) = self.objects.get(key).cloned() else {
            if part == Part::Status {
                return Err(missing(definition, key));
            }
            // It speaks of an object that was there: another of that name is not made in its place.
            if body["metadata"]["uid"].as_str().is_some_and(|uid| !uid.is_empty()) {
                return Err(Failure::stale(&definition.qualified(), &key.name));
            }
            let mut body = body.clone();
            body["metadata"]["name"] = json!(key.name);
            set_or_remove(&mut body["metadata"], "resourceVersion", None);
            return Ok((self.create(definition, &key.namespace, &body, write)?, true));
        };
        check_version(definition, key, &live.object, body)?;
        let wanted = only(definition, part, body);
        let shapes = &definition.shapes;
        let applied = without_empty_lists(owned_leaves(&wanted, shapes), shapes);
        let mut owners = live.owners.clone();
        if !force {
            owners.conflicts(writer, &applied, &live.leaves)?;
        }
        if part == Part::Main {
            check_uid(&live.object, body)?;
        }
        let mut kept = owners.of_others(writer);
        kept.extend(applied.keys().cloned());
        let gone: Paths = owners.of(writer).into_iter().filter(|path| !kept.contains(path)).collect();
        let mut merged = (*live.object).clone();
        merge(&mut merged, &wanted, shapes);
        if !gone.is_empty() {
            remove(&mut merged, &gone, &kept, shapes);
            // A map that was applied as empty has just gone with its contents; a list of items stays away.
            merge(&mut merged, &without_empty_items(&wanted, shapes), shapes);
        }
        definition.defaults.fill(&mut merged);
        owners.apply(writer, &applied, &live.leaves);
        let settled = settle(definition, part, &live.object, merged)?;
        let leaves = owned_leaves(&settled, shapes);
        owners.prune(&leaves);
        let settled = Settled { object: settled, leaves, owners };
        Ok((self.finish(definition, key, &live, settled, write)?, false))
    }

    /// True when the object is gone, false when it waits for its finalizers.
    pub(super) fn delete(
        &mut self,
        definition: &Definition,
        key: &Key,
        preconditions: &Preconditions,
        now: &str,
    ) -> Result<(Arc<Value>, bool), Failure> {
        let live = self.objects.get(key).ok_or_else(|| missing(definition, key))?.clone();
        let metadata = &live.object["metadata"];
        for (wanted, found, what) in [
            (&preconditions.uid, &metadata["uid"], "UID"),
            (&preconditions.resource_version, &metadata["resourceVersion"], "ResourceVersion"),
        ] {
            if wanted.as_deref().is_some_and(|wanted| found != wanted) {
                let message = format!(
                    "Operation cannot be fulfilled on {} \"{}\": the {what} in the precondition ({}) does not match \
                     the {what} in record ({found}). The object might have been deleted and then recreated",
                    definition.qualified(),
                    key.name,
                    wanted.as_deref().unwrap_or_default(),
                );
                return Err(Failure::new(409, message));
            }
        }
        if !has_finalizers(&live.object) {
            return Ok((self.erase(key).unwrap_or(live.object), true));
        }
        if !metadata["deletionTimestamp"].is_null() {
            return Ok((live.object, false));
        }
        let mut object = (*live.object).clone();
        object["metadata"]["deletionTimestamp"] = json!(now);
        object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
        bump_generation(&mut object);
        // This update saves the default too.
        let stored =
            Stored { object: Arc::new(object), leaves: live.leaves, owners: live.owners, defaulted: false };
        Ok((self.commit(key.clone(), stored, Happened::Modified), false))
    }

    /// Takes an object away, finalizers or not.
    pub(super) fn erase(&mut self, key: &Key) -> Option<Arc<Value>> {
        let stored = self.objects.remove(key)?;
        self.revision += 1;
        let mut last = (*stored.object).clone();
        last["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let last = Arc::new(last);
        self.record(key, Happened::Deleted, last.clone(), Some(stored.object));
        Some(last)
    }

    /// The common end of every change: nothing changed, last finalizer gone, or a new revision.
    fn finish(
        &mut self,
        definition: &Definition,
        key: &Key,
        live: &Stored,
        settled: Settled,
        write: &Write,
    ) -> Result<Arc<Value>, Failure> {
        let Settled { object: mut settled, mut leaves, mut owners } = settled;
        if default_status(definition, &mut settled) {
            leaves = owned_leaves(&settled, &definition.shapes);
        }
        if settled == *live.object && owners == live.owners && !live.defaulted {
            return Ok(live.object.clone());
        }
        if definition.custom && differs_in_spec(definition, &live.object, &settled) {
            bump_generation(&mut settled);
        }
        owners.stamp(&write.writer, &definition.api_version(), &write.now);
        if !settled["metadata"]["deletionTimestamp"].is_null() && !has_finalizers(&settled) {
            self.erase(key);
            settled["metadata"]["managedFields"] = owners.managed_fields();
            return Ok(Arc::new(settled));
        }
        let stored = Stored { object: Arc::new(settled), leaves: Arc::new(leaves), owners, defaulted: false };
        Ok(self.commit(key.clone(), stored, Happened::Modified))
    }

    fn commit(&mut self, key: Key, mut stored: Stored, happened: Happened) -> Arc<Value> {
        self.revision += 1;
        let object = Arc::make_mut(&mut stored.object);
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        object["metadata"]["managedFields"] = stored.owners.managed_fields();
        let object = stored.object.clone();
        let previous = self.objects.insert(key.clone(), stored).map(|stored| stored.object);
        self.record(&key, happened, object.clone(), previous);
        object
    }

    fn record(&mut self, key: &Key, happened: Happened, object: Arc<Value>, previous: Option<Arc<Value>>) {
        let lost = self.lose.remove(&self.revision);
        self.history.push(Change {
            revision: self.revision,
            group: key.group.clone(),
            resource: key.resource.clone(),
            happened,
            object,
            previous,
            lost,
        });
    }
}

fn missing(definition: &Definition, key: &Key) -> Failure {
    Failure::not_found(&definition.qualified(), &key.name)
}
