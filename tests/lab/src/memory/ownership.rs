//! Who owns which field of one object: the managers behind `metadata.managedFields`.
//!
//! Not here: merging values (`fields`).

use serde_json::{Value, json};

use super::failure::Failure;
use super::fields::{Leaves, Path, Paths, Shapes, Step, collect, fields_v1};

/// Who writes, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Writer {
    pub(super) manager: String,
    pub(super) apply: bool,
    pub(super) status: bool,
}

/// The fields of one writer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Share {
    writer: Writer,
    api_version: String,
    time: String,
    paths: Paths,
}

/// All owners of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Owners(Vec<Share>);

impl Owners {
    /// What this writer owned before.
    pub(super) fn of(&self, writer: &Writer) -> Paths {
        self.0
            .iter()
            .find(|share| share.writer == *writer)
            .map(|share| share.paths.clone())
            .unwrap_or_default()
    }

    /// What everyone else owns.
    pub(super) fn of_others(&self, writer: &Writer) -> Paths {
        let others = self.0.iter().filter(|share| share.writer != *writer);
        others.flat_map(|share| share.paths.iter().cloned()).collect()
    }

    /// The fields of `applied` that others own with another value.
    pub(super) fn conflicts(&self, writer: &Writer, applied: &Leaves, live: &Leaves) -> Result<(), Failure> {
        let differs = |path: &Path| applied.get(path).is_some_and(|value| live.get(path) != Some(value));
        let mut found: Vec<_> = Vec::new();
        for share in self.0.iter().filter(|share| share.writer != *writer) {
            for path in share.paths.iter().filter(|path| differs(path)) {
                found.push(format!("conflict with \"{}\": {}", share.writer.manager, dotted(path)));
            }
        }
        if found.is_empty() {
            return Ok(());
        }
        let message = format!("Apply failed with {} conflict(s): {}", found.len(), found.join(", "));
        Err(Failure::new(409, message))
    }

    /// After an apply: the writer owns exactly `applied`; who held another value loses the field.
    pub(super) fn apply(&mut self, writer: &Writer, applied: &Leaves, old: &Leaves) {
        for share in self.0.iter_mut().filter(|share| share.writer != *writer) {
            share.paths.retain(|path| match applied.get(path) {
                Some(value) => old.get(path) == Some(value),
                None => true,
            });
        }
        self.share(writer).paths = applied.keys().cloned().collect();
    }

    /// After an update: the writer also owns every leaf that is new or changed, and alone.
    pub(super) fn update(&mut self, writer: &Writer, old: &Leaves, new: &Leaves) {
        let changed: Paths = new
            .iter()
            .filter(|(path, value)| old.get(*path) != Some(*value))
            .map(|(path, _)| path.clone())
            .collect();
        if changed.is_empty() {
            return;
        }
        for share in self.0.iter_mut().filter(|share| share.writer != *writer) {
            share.paths.retain(|path| !changed.contains(path));
        }
        self.share(writer).paths.extend(changed);
    }

    /// Forgets fields that are gone, and owners of nothing.
    pub(super) fn prune(&mut self, present: &Leaves) {
        for share in &mut self.0 {
            share.paths.retain(|path| present.contains_key(path));
        }
        self.0.retain(|share| !share.paths.is_empty());
    }

    /// Dates the writer's share, which changed with this write.
    pub(super) fn stamp(&mut self, writer: &Writer, api_version: &str, time: &str) {
        if let Some(share) = self.0.iter_mut().find(|share| share.writer == *writer) {
            share.api_version = api_version.to_owned();
            share.time = time.to_owned();
        }
    }

    /// The list for `metadata.managedFields`.
    pub(super) fn managed_fields(&self) -> Value {
        let entry = |share: &Share| {
            let mut entry = json!({
                "manager": share.writer.manager,
                "operation": if share.writer.apply { "Apply" } else { "Update" },
                "apiVersion": share.api_version,
                "time": share.time,
                "fieldsType": "FieldsV1",
                "fieldsV1": fields_v1(&share.paths),
            });
            if share.writer.status {
                entry["subresource"] = json!("status");
            }
            entry
        };
        Value::Array(self.0.iter().map(entry).collect())
    }

    fn share(&mut self, writer: &Writer) -> &mut Share {
        let index = self.0.iter().position(|share| share.writer == *writer).unwrap_or_else(|| {
            let (api_version, time) = (String::new(), String::new());
            self.0.push(Share { writer: writer.clone(), api_version, time, paths: Paths::new() });
            self.0.len() - 1
        });
        &mut self.0[index]
    }
}

/// What of an object can be owned: not its identity, and nothing that the server writes itself.
pub(super) fn owned_leaves(object: &Value, shapes: &Shapes) -> Leaves {
    let mut found = Leaves::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        match name.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                let shapes = shapes.field(name);
                for part in ["labels", "annotations", "finalizers", "ownerReferences"] {
                    if let Some(value) = value.get(part) {
                        let mut path = vec![Step::Field("metadata".into()), Step::Field(part.into())];
                        collect(value, shapes.field(part), &mut path, &mut found);
                    }
                }
            }
            _ => collect(value, shapes.field(name), &mut vec![Step::Field(name.as_str().into())], &mut found),
        }
    }
    found
}

fn dotted(path: &Path) -> String {
    path.iter()
        .map(|step| match step {
            Step::Field(name) => format!(".{name}"),
            Step::Item(key) | Step::Member(key) => format!("[{key}]"),
        })
        .collect()
}
