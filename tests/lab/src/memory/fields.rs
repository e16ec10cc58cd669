//! Objects as fields with owners: the arithmetic behind server-side apply.
//!
//! An object is flattened to its leaves; a list whose items have keys counts item by item, any other
//! list is one leaf. Merging, removing and comparing happen on that view. Not here: who owns what
//! (`ownership`) and when that matters (`store`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

/// One step from the root towards a leaf.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A key of a map.
    Field(Arc<str>),
    /// The item of a keyed list, by its keys as JSON.
    Item(Arc<str>),
    /// A member of a set, as JSON.
    Member(Arc<str>),
}

pub(super) type Path = Vec<Step>;
pub(super) type Paths = BTreeSet<Path>;
/// Every leaf with its value.
pub(super) type Leaves = BTreeMap<Path, Value>;

/// How a list (or map) merges, where it is not the default: lists as a whole, maps key by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// Items are known by the values of these fields.
    Keyed(Vec<String>),
    /// Scalars, each once.
    Set,
    /// A map that is replaced as a whole.
    Atomic,
}

/// The shape of a value and of what is in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Shapes {
    own: Option<Shape>,
    fields: BTreeMap<String, Shapes>,
    /// Of the keys that `fields` does not name.
    any: Option<Box<Shapes>>,
    items: Option<Box<Shapes>>,
}

impl Shapes {
    /// What every object has.
    pub(super) fn common() -> Self {
        let of = |own| Self { own: Some(own), ..Self::default() };
        let keyed = |key: &str| of(Shape::Keyed(vec![key.to_owned()]));
        let map = |fields: Vec<(&str, Self)>| Self {
            fields: fields.into_iter().map(|(name, shapes)| (name.to_owned(), shapes)).collect(),
            ..Self::default()
        };
        map(vec![
            ("metadata", map(vec![("finalizers", of(Shape::Set)), ("ownerReferences", keyed("uid"))])),
            ("status", map(vec![("conditions", keyed("type"))])),
        ])
    }

    /// Adds what a definition's schema says.
    pub(super) fn learn(&mut self, schema: &Value) {
        let list_type = schema["x-kubernetes-list-type"].as_str();
        let shape = match (list_type, schema["x-kubernetes-map-type"].as_str()) {
            (Some("map"), _) => {
                let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
                Some(Shape::Keyed(keys.filter_map(Value::as_str).map(str::to_owned).collect()))
            }
            (Some("set"), _) => Some(Shape::Set),
            (_, Some("atomic")) => Some(Shape::Atomic),
            _ => None,
        };
        if shape.is_some() {
            self.own = shape;
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            self.fields.entry(name.clone()).or_default().learn(property);
        }
        for (part, below) in [("items", &mut self.items), ("additionalProperties", &mut self.any)] {
            if schema[part].is_object() {
                below.get_or_insert_default().learn(&schema[part]);
            }
        }
    }

    pub(super) fn field(&self, name: &str) -> &Self {
        self.fields.get(name).or(self.any.as_deref()).unwrap_or(&DEFAULT)
    }

    fn item(&self) -> &Self {
        self.items.as_deref().unwrap_or(&DEFAULT)
    }

    fn step(&self, step: &Step) -> &Self {
        match step {
            Step::Field(name) => self.field(name),
            Step::Item(_) | Step::Member(_) => self.item(),
        }
    }
}

static DEFAULT: Shapes = Shapes { own: None, fields: BTreeMap::new(), any: None, items: None };

fn is_empty_list_of_items(value: &Value, shapes: &Shapes) -> bool {
    matches!(value, Value::Array(items) if items.is_empty())
        && matches!(shapes.own, Some(Shape::Keyed(_) | Shape::Set))
}

/// Without the lists of items that have none: who applies one owns nothing by it.
pub(super) fn without_empty_lists(mut leaves: Leaves, shapes: &Shapes) -> Leaves {
    leaves.retain(|path, value| {
        let shapes = path.iter().fold(shapes, |shapes, step| shapes.step(step));
        !is_empty_list_of_items(value, shapes)
    });
    leaves
}

/// The value without its empty lists of items.
pub(super) fn without_empty_items(value: &Value, shapes: &Shapes) -> Value {
    fn prune(value: &mut Value, shapes: &Shapes) {
        let Value::Object(fields) = value else { return };
        fields.retain(|name, inner| {
            let shapes = shapes.field(name);
            prune(inner, shapes);
            !is_empty_list_of_items(inner, shapes)
        });
    }
    let mut pruned = value.clone();
    prune(&mut pruned, shapes);
    pruned
}

/// The leaves of a value at a path. A keyed item also has a leaf of its own, for its existence.
pub(super) fn collect(value: &Value, shapes: &Shapes, path: &mut Path, found: &mut Leaves) {
    match (value, &shapes.own) {
        (Value::Object(fields), None) if !fields.is_empty() => {
            collect_fields(fields, shapes, path, found);
        }
        (Value::Array(items), Some(shape @ (Shape::Keyed(_) | Shape::Set))) if !items.is_empty() => {
            for item in items {
                path.push(step(item, shape));
                if let (Shape::Keyed(_), Value::Object(fields)) = (shape, item) {
                    found.insert(path.clone(), Value::Null);
                    collect_fields(fields, shapes.item(), path, found);
                } else {
                    found.insert(path.clone(), item.clone());
                }
                path.pop();
            }
        }
        _ => {
            // The root itself is no field: an empty object owns nothing.
            if !path.is_empty() {
                found.insert(path.clone(), value.clone());
            }
        }
    }
}

fn collect_fields(fields: &Map<String, Value>, shapes: &Shapes, path: &mut Path, found: &mut Leaves) {
    for (name, inner) in fields {
        path.push(Step::Field(name.as_str().into()));
        collect(inner, shapes.field(name), path, found);
        path.pop();
    }
}

fn step(item: &Value, shape: &Shape) -> Step {
    match shape {
        Shape::Keyed(keys) => {
            let key: Map<_, _> = keys.iter().map(|key| (key.clone(), item[key].clone())).collect();
            Step::Item(Value::Object(key).to_string().into())
        }
        Shape::Set | Shape::Atomic => Step::Member(item.to_string().into()),
    }
}

/// Lays `applied` over `live`: what only `live` has stays.
pub(super) fn merge(live: &mut Value, applied: &Value, shapes: &Shapes) {
    match (&mut *live, applied, &shapes.own) {
        (Value::Object(old), Value::Object(new), None) => {
            for (name, value) in new {
                match old.get_mut(name) {
                    Some(inner) => merge(inner, value, shapes.field(name)),
                    None => _ = old.insert(name.clone(), value.clone()),
                }
            }
        }
        (Value::Array(old), Value::Array(new), Some(shape @ (Shape::Keyed(_) | Shape::Set))) => {
            *old = merge_items(old, new, shapes, shape);
        }
        _ => *live = applied.clone(),
    }
}

/// Shared items take the applied order; what only the live list has keeps its place among them.
fn merge_items(old: &[Value], new: &[Value], shapes: &Shapes, shape: &Shape) -> Vec<Value> {
    let old: Vec<_> = old.iter().map(|item| (step(item, shape), item)).collect();
    let new: Vec<_> = new.iter().map(|item| (step(item, shape), item)).collect();
    let in_new = |wanted: &Step| new.iter().any(|(found, _)| found == wanted);
    let in_old = |wanted: &Step| old.iter().find(|(found, _)| found == wanted).map(|(_, item)| *item);
    let mut merged = Vec::new();
    let mut rest = old.as_slice();
    for (index, (key, item)) in new.iter().enumerate() {
        let next_shared = new[index..].iter().map(|(key, _)| key).find(|key| in_old(key).is_some());
        while let [(first, left), tail @ ..] = rest {
            if Some(first) == next_shared {
                break;
            }
            if !in_new(first) {
                merged.push((*left).clone());
            }
            rest = tail;
        }
        match in_old(key) {
            Some(live) => {
                let mut both = live.clone();
                merge(&mut both, item, shapes.item());
                merged.push(both);
                if let [(first, _), tail @ ..] = rest
                    && first == key
                {
                    rest = tail;
                }
            }
            None => merged.push((*item).clone()),
        }
    }
    merged.extend(rest.iter().filter(|(key, _)| !in_new(key)).map(|(_, item)| (*item).clone()));
    merged
}

/// Takes leaves away, and what is empty because of it. A keyed item goes as a whole when its own
/// leaf is among them, unless something in it is in `kept`.
pub(super) fn remove(value: &mut Value, gone: &Paths, kept: &Paths, shapes: &Shapes) {
    // Items first, while their keys can still be read; then the deepest, so that a parent sees its
    // children gone.
    let mut order: Vec<_> = gone.iter().collect();
    order.sort_by_key(|path| (matches!(path.last(), Some(Step::Field(_))), std::cmp::Reverse(path.len())));
    for path in order {
        let below = |other: &Path| other.len() >= path.len() && other[..path.len()] == path[..];
        if !kept.iter().any(below) {
            remove_at(value, path, shapes, true);
        }
    }
}

/// True when the value itself became empty and should go with its last content.
fn remove_at(value: &mut Value, path: &[Step], shapes: &Shapes, root: bool) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    match (value, first) {
        (Value::Object(fields), Step::Field(name)) => {
            let empty = match fields.get_mut(&**name) {
                Some(_) if rest.is_empty() => true,
                Some(inner) => remove_at(inner, rest, shapes.field(name), false),
                None => return false,
            };
            if empty {
                fields.remove(&**name);
            }
            empty && fields.is_empty() && !root
        }
        (Value::Array(items), Step::Item(_) | Step::Member(_)) => {
            let Some(shape) = &shapes.own else { return false };
            let Some(index) = items.iter().position(|item| step(item, shape) == *first) else { return false };
            if rest.is_empty() {
                items.remove(index);
            } else {
                // An item lives as long as its own leaf does, however little is left in it.
                remove_at(&mut items[index], rest, shapes.item(), true);
            }
            items.is_empty()
        }
        _ => false,
    }
}

/// RFC 7386: `null` removes, maps merge, anything else replaces.
pub(super) fn merge_patch(target: &Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else { return patch.clone() };
    let mut merged = target.as_object().cloned().unwrap_or_default();
    for (name, change) in changes {
        if change.is_null() {
            merged.remove(name);
        } else {
            let inner = merge_patch(merged.get(name).unwrap_or(&Value::Null), change);
            merged.insert(name.clone(), inner);
        }
    }
    Value::Object(merged)
}

/// The `fieldsV1` form of `managedFields`.
pub(super) fn fields_v1(paths: &Paths) -> Value {
    let mut root = json!({});
    for path in paths {
        let mut node = &mut root;
        for step in path {
            let name = match step {
                Step::Field(name) => format!("f:{name}"),
                Step::Item(keys) => format!("k:{keys}"),
                Step::Member(value) => format!("v:{value}"),
            };
            node = &mut node[name];
            if node.is_null() {
                *node = json!({});
            }
        }
        if let Some(Step::Item(_)) = path.last() {
            node["."] = json!({});
        }
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(value: &Value, shapes: &Shapes) -> Leaves {
        let mut found = Leaves::new();
        collect(value, shapes, &mut Path::new(), &mut found);
        found
    }

    fn conditions(types: &[&str]) -> Value {
        let items: Vec<_> = types.iter().map(|name| json!({"type": name, "status": "True"})).collect();
        json!({"status": {"conditions": items}})
    }

    fn order(value: &Value) -> Vec<&str> {
        value["status"]["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["type"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn keyed_items_merge_by_key_and_take_the_applied_order() {
        let shapes = Shapes::common();
        for (live, applied, expected) in [
            (vec!["A", "B"], vec!["B", "A"], vec!["B", "A"]),
            (vec!["A", "X", "B"], vec!["A", "B"], vec!["A", "X", "B"]),
            (vec!["A"], vec!["B", "A"], vec!["B", "A"]),
            (vec!["X"], vec!["A"], vec!["X", "A"]),
        ] {
            let mut merged = conditions(&live);
            merge(&mut merged, &conditions(&applied), &shapes);
            assert_eq!(order(&merged), expected, "{live:?} {applied:?}");
        }
    }

    #[test]
    fn removing_the_last_leaf_removes_the_parents() {
        let shapes = Shapes::common();
        let mut value = json!({"status": {"operation": {"kind": "Create"}, "id": 1}});
        let gone =
            leaves(&json!({"status": {"operation": {"kind": "Create"}}}), &shapes).into_keys().collect();
        remove(&mut value, &gone, &Paths::new(), &shapes);
        assert_eq!(value, json!({"status": {"id": 1}}));
    }

    #[test]
    fn a_keyed_item_goes_as_a_whole() {
        let shapes = Shapes::common();
        let mut value = conditions(&["A", "B"]);
        let gone = leaves(&conditions(&["A"]), &shapes).into_keys().collect();
        remove(&mut value, &gone, &Paths::new(), &shapes);
        assert_eq!(order(&value), ["B"]);
    }

    #[test]
    fn shapes_are_learnt_from_a_schema() {
        let mut shapes = Shapes::common();
        shapes.learn(
            &json!({"properties": {"spec": {"properties": {"volumes": {
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"], "items": {"properties": {"tags": {"x-kubernetes-list-type": "set"}}}
            }}}}}),
        );
        let found = leaves(&json!({"spec": {"volumes": [{"id": 1, "tags": ["a"]}]}}), &shapes);
        let last: Vec<_> = found.keys().filter_map(|path| path.last().cloned()).collect();
        assert!(
            last.contains(&Step::Item(r#"{"id":1}"#.into())) && last.contains(&Step::Member("\"a\"".into()))
        );
    }

    #[test]
    fn a_merge_patch_removes_with_null() {
        let merged = merge_patch(&json!({"a": {"b": 1, "c": 2}}), &json!({"a": {"b": null}, "d": [1]}));
        assert_eq!(merged, json!({"a": {"c": 2}, "d": [1]}));
    }

    #[test]
    fn fields_are_written_as_the_real_server_writes_them() {
        let paths = leaves(&conditions(&["A"]), &Shapes::common()).into_keys().collect();
        assert_eq!(
            fields_v1(&paths),
            json!({"f:status": {"f:conditions": {"k:{\"type\":\"A\"}": {".": {}, "f:status": {}, "f:type": {}}}}})
        );
    }
}
