//! The structure of a JSON value without its content: which fields there are, and of which types.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Each place with the types found there, such as `.areas[].id` and `text`.
pub type Shape = BTreeMap<String, BTreeSet<&'static str>>;

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "flag",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "fraction",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

fn walk(shape: &mut Shape, place: &str, value: &Value) {
    shape.entry(place.to_owned()).or_default().insert(kind(value));
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(shape, &format!("{place}[]"), item)),
        Value::Object(fields) => {
            fields.iter().for_each(|(field, value)| walk(shape, &format!("{place}.{field}"), value));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The shape of a value.
pub fn shape(value: &Value) -> Shape {
    let mut shape = Shape::new();
    walk(&mut shape, "", value);
    shape
}

/// The places of `value` that `example` does not have, or has with another type.
pub fn unknown(value: &Value, example: &Value) -> Vec<String> {
    let known = shape(example);
    shape(value)
        .into_iter()
        .filter(|(place, kinds)| !known.get(place).is_some_and(|known| kinds.is_subset(known)))
        .map(|(place, kinds)| format!("{place}: {kinds:?}"))
        .collect()
}

/// The places of `example` that `value` leaves out; of a part that is left out, only the part.
pub fn left_out(value: &Value, example: &Value) -> Vec<String> {
    let given = shape(value);
    let parent = |place: &str| {
        let end = place.rfind(['.', '[']).unwrap_or_default();
        place[..end].to_owned()
    };
    shape(example)
        .into_keys()
        .filter(|place| !given.contains_key(place) && given.contains_key(&parent(place)))
        .collect()
}

/// The form of a text: each digit as 9, so that dates can be compared by how they are written.
pub fn form(text: &str) -> String {
    text.chars().map(|letter| if letter.is_ascii_digit() { '9' } else { letter }).collect()
}

#[test]
fn a_shape_tells_fields_and_types_apart() {
    let example = serde_json::json!({"a": 1, "b": [{"c": "x"}], "d": {"e": true}});
    let value = serde_json::json!({"a": "1", "b": [], "f": null});
    assert_eq!(unknown(&value, &example), [".a: {\"text\"}", ".f: {\"null\"}"]);
    assert_eq!(left_out(&value, &example), [".b[]", ".d"]);
    assert_eq!(form("2016-06-01T12:27:19.000+0200"), "9999-99-99T99:99:99.999+9999");
}
