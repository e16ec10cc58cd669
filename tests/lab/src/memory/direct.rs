//! The server without HTTP: what a test does as a user, or looks at, in one line.
//!
//! These calls wake watches like any other, but are not in the journal and meet no faults.

use std::sync::Arc;

use serde_json::{Value, json};

use super::definition::Definition;
use super::failure::Failure;
use super::ownership::Writer;
use super::store::{Key, Part, Preconditions, Write};
use super::{MemoryApi, State};

/// The field manager of a user at a terminal.
const USER: &str = "kubectl";

impl MemoryApi {
    /// An object by its resource's plural name; an empty namespace for cluster-wide ones.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let state = self.state();
        let key = state.by_plural(resource, namespace, name).ok()?.1;
        state.store.get(&key).map(|object| (*object).clone())
    }

    /// All objects of a resource, in every namespace, by namespace and name.
    pub fn list(&self, resource: &str) -> Vec<Value> {
        let state = self.state();
        let Ok((definition, _)) = state.by_plural(resource, "", "") else { return Vec::new() };
        state.store.list(&definition.group, &definition.resource).map(|object| (**object).clone()).collect()
    }

    /// Of all objects of a resource, in every namespace, the name and the resourceVersion.
    pub fn versions(&self, resource: &str) -> Vec<(String, String)> {
        let state = self.state();
        let Ok((definition, _)) = state.by_plural(resource, "", "") else { return Vec::new() };
        let objects = state.store.list(&definition.group, &definition.resource);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        objects
            .map(|object| (text(&object["metadata"]["name"]), text(&object["metadata"]["resourceVersion"])))
            .collect()
    }

    /// Creates an object as a user. Its status is ignored where that is a subresource.
    ///
    /// # Errors
    ///
    /// As the server would: it exists, or has no name.
    pub fn create(&self, object: Value) -> Result<Value, Failure> {
        let write = self.by_user(Part::Main, false);
        self.change(|state| {
            let (definition, key) = state.by_object(&object);
            state.store.create(&definition, &key.namespace, &object, &write)
        })
    }

    /// `kubectl apply --server-side --force-conflicts`.
    ///
    /// # Errors
    ///
    /// When the body carries a stale resourceVersion or uid.
    pub fn apply(&self, object: Value) -> Result<Value, Failure> {
        let write = self.by_user(Part::Main, true);
        self.change(|state| {
            let (definition, key) = state.by_object(&object);
            let answer = state.store.apply(&definition, &key, &write, true, &object);
            answer.map(|(object, _)| object)
        })
    }

    /// Merges `spec` into the object's spec, as `kubectl patch` does.
    ///
    /// # Errors
    ///
    /// When there is no such object.
    pub fn patch_spec(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        spec: Value,
    ) -> Result<Value, Failure> {
        let write = self.by_user(Part::Main, false);
        self.change(|state| {
            let (definition, key) = state.by_plural(resource, namespace, name)?;
            let patch = json!({"spec": spec});
            state.store.merge_patch(&definition, &key, &write, &patch)
        })
    }

    /// Changes anything of an object at once: spec, status and the users' part of the metadata.
    /// The server's own fields and the rules about generation, finalizers and events stay in force.
    ///
    /// # Errors
    ///
    /// When there is no such object.
    pub fn edit(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Value, Failure> {
        let write = self.by_user(Part::Whole, false);
        self.change(|state| {
            let (definition, key) = state.by_plural(resource, namespace, name)?;
            state.store.update(&definition, &key, &write, |live| {
                let mut edited = live.clone();
                change(&mut edited);
                Ok(edited)
            })
        })
    }

    /// `kubectl delete`: the object stays while it has finalizers. True when it is gone.
    ///
    /// # Errors
    ///
    /// When there is no such object.
    pub fn delete(&self, resource: &str, namespace: &str, name: &str) -> Result<bool, Failure> {
        let now = self.now().to_string();
        let mut gone = false;
        self.change(|state| {
            let (definition, key) = state.by_plural(resource, namespace, name)?;
            let (object, erased) = state.store.delete(&definition, &key, &Preconditions::default(), &now)?;
            gone = erased;
            Ok(object)
        })?;
        Ok(gone)
    }

    /// Takes an object away, finalizers or not: what a lost store or a restored backup does.
    pub fn erase(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let erased = self.change(|state| {
            let (_, key) = state.by_plural(resource, namespace, name)?;
            state.store.erase(&key).ok_or_else(|| Failure::not_found(resource, name))
        });
        erased.ok()
    }

    fn by_user(&self, part: Part, apply: bool) -> Write {
        let writer = Writer { manager: USER.to_owned(), apply, status: false };
        Write { writer, part, now: self.now().to_string() }
    }

    fn change(
        &self,
        write: impl FnOnce(&mut State) -> Result<Arc<Value>, Failure>,
    ) -> Result<Value, Failure> {
        let object = write(&mut self.state())?;
        self.shared.changed.notify_waiters();
        Ok((*object).clone())
    }
}

impl State {
    /// Of two resources with one plural name, the one known first.
    fn by_plural(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
    ) -> Result<(Arc<Definition>, Key), Failure> {
        let known = self.definitions.iter().find(|known| known.resource == resource);
        let definition = known.ok_or_else(|| Failure::not_found(resource, name))?.clone();
        let key = key(&definition, namespace, name);
        Ok((definition, key))
    }

    fn by_object(&mut self, object: &Value) -> (Arc<Definition>, Key) {
        let named = Definition::of_object(object);
        let known =
            self.definitions.iter().find(|known| known.group == named.group && known.kind == named.kind);
        let definition = match known {
            Some(known) => known.clone(),
            None => {
                let new = Arc::new(named);
                self.definitions.push(new.clone());
                new
            }
        };
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
        let key = key(&definition, text("namespace"), text("name"));
        (definition, key)
    }
}

fn key(definition: &Definition, namespace: &str, name: &str) -> Key {
    Key {
        group: definition.group.clone(),
        resource: definition.resource.clone(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}
