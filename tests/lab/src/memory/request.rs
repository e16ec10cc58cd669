//! What a request asks for: verb, resource and options, read from method, path and query.
//!
//! Not here: bodies, and whether the resource is known.

use std::collections::BTreeMap;

use http::Method;
use serde_json::Value;

use super::failure::Failure;

/// The verb as RBAC and the audit log know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are Kubernetes' own")]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

impl Verb {
    /// Whether it is meant to change something.
    pub fn is_write(self) -> bool {
        match self {
            Self::Get | Self::List | Self::Watch => false,
            Self::Create | Self::Update | Self::Patch | Self::Delete | Self::DeleteCollection => true,
        }
    }
}

/// Address of a request: a collection when `name` is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Target {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) resource: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) subresource: String,
}

/// The query, decoded.
#[derive(Debug, Clone, Default)]
pub(super) struct Options(BTreeMap<String, String>);

impl Options {
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.text(name), "true" | "1")
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        match self.text(name) {
            "" => Ok(None),
            text => {
                text.parse().map(Some).map_err(|_| Failure::new(400, format!("{name}: not a number: {text}")))
            }
        }
    }
}

/// Reads the path; `None` for paths that are no resources.
pub(super) fn target(path: &str) -> Option<Target> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let (group, version, rest) = match segments.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return None,
    };
    let part = |namespace: &str, resource: &str, name: &str, subresource: &str| {
        Some(Target {
            group: group.to_owned(),
            version: version.to_owned(),
            resource: resource.to_owned(),
            namespace: decode(namespace),
            name: decode(name),
            subresource: subresource.to_owned(),
        })
    };
    match *rest {
        // Namespaces are themselves a resource, with two subresources of their own.
        ["namespaces", name, sub @ ("status" | "finalize")] => part("", "namespaces", name, sub),
        ["namespaces", namespace, resource] => part(namespace, resource, "", ""),
        ["namespaces", namespace, resource, name] => part(namespace, resource, name, ""),
        ["namespaces", namespace, resource, name, sub] => part(namespace, resource, name, sub),
        [resource] => part("", resource, "", ""),
        [resource, name] => part("", resource, name, ""),
        [resource, name, sub] => part("", resource, name, sub),
        _ => None,
    }
}

/// Reads the query string.
pub(super) fn options(query: &str) -> Options {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    Options(
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect(),
    )
}

/// The verb that method, target and options make.
pub(super) fn verb(method: &Method, target: &Target, options: &Options) -> Option<Verb> {
    let collection = target.name.is_empty();
    Some(match *method {
        Method::GET if !collection => Verb::Get,
        Method::GET if options.flag("watch") => Verb::Watch,
        Method::GET => Verb::List,
        Method::POST => Verb::Create,
        Method::PUT if !collection => Verb::Update,
        Method::PATCH if !collection => Verb::Patch,
        Method::DELETE if collection => Verb::DeleteCollection,
        Method::DELETE => Verb::Delete,
        _ => return None,
    })
}

/// Label and field selectors of lists and watches: equality and existence.
#[derive(Debug, Clone, Default)]
pub(super) struct Selector {
    namespace: String,
    labels: Vec<Requirement>,
    fields: Vec<Requirement>,
}

#[derive(Debug, Clone)]
struct Requirement {
    path: Vec<String>,
    expected: Expected,
}

#[derive(Debug, Clone)]
enum Expected {
    Equal(String),
    Different(String),
    Present,
    Absent,
}

impl Selector {
    pub(super) fn read(target: &Target, options: &Options) -> Result<Self, Failure> {
        let labels = parse(options.text("labelSelector"), |name| {
            vec!["metadata".into(), "labels".into(), name.to_owned()]
        })?;
        let fields =
            parse(options.text("fieldSelector"), |name| name.split('.').map(str::to_owned).collect())?;
        Ok(Self { namespace: target.namespace.clone(), labels, fields })
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        (self.namespace.is_empty() || self.namespace == namespace)
            && self.labels.iter().chain(&self.fields).all(|requirement| requirement.holds(object))
    }
}

impl Requirement {
    fn holds(&self, object: &Value) -> bool {
        let found = self.path.iter().try_fold(object, |value, step| value.get(step));
        let text = found.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        match &self.expected {
            Expected::Equal(wanted) => text.unwrap_or_default() == *wanted,
            Expected::Different(unwanted) => text.unwrap_or_default() != *unwanted,
            Expected::Present => text.is_some(),
            Expected::Absent => text.is_none(),
        }
    }
}

fn parse(text: &str, path: impl Fn(&str) -> Vec<String>) -> Result<Vec<Requirement>, Failure> {
    if text.contains(['(', '<', '>']) {
        return Err(Failure::new(400, format!("only equality selectors are known here: {text}")));
    }
    let requirement = |term: &str| {
        let (name, expected) = if let Some((name, value)) = term.split_once("!=") {
            (name, Expected::Different(value.trim().to_owned()))
        } else if let Some((name, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
            (name, Expected::Equal(value.trim().to_owned()))
        } else if let Some(name) = term.strip_prefix('!') {
            (name, Expected::Absent)
        } else {
            (term, Expected::Present)
        };
        Requirement { path: path(name.trim()), expected }
    };
    Ok(text.split(',').map(str::trim).filter(|term| !term.is_empty()).map(requirement).collect())
}

/// Percent-decoding, with `+` as a space.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let hexadecimal =
            |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if hexadecimal(high).is_some() && hexadecimal(low).is_some() => {
                bytes.push(hexadecimal(high).unwrap_or(0) * 16 + hexadecimal(low).unwrap_or(0));
                rest = after;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_of_every_shape() {
        let read = |path: &str| {
            let found = target(path).unwrap();
            format!(
                "{}|{}|{}|{}|{}",
                found.group, found.resource, found.namespace, found.name, found.subresource
            )
        };
        assert_eq!(read("/api/v1/namespaces/default"), "|namespaces||default|");
        assert_eq!(read("/api/v1/namespaces"), "|namespaces|||");
        assert_eq!(read("/api/v1/namespaces/a/secrets/b"), "|secrets|a|b|");
        assert_eq!(read("/apis/g/v1/things"), "g|things|||");
        assert_eq!(read("/apis/g/v1/namespaces/a/things"), "g|things|a||");
        assert_eq!(read("/apis/g/v1/namespaces/a/things/b/status"), "g|things|a|b|status");
        assert!(target("/readyz").is_none());
    }

    #[test]
    fn selectors_by_label_field_and_namespace() {
        let target = Target { namespace: "a".into(), ..Target::default() };
        let object =
            json!({"metadata": {"name": "x", "namespace": "a", "labels": {"k": "v"}}, "spec": {"id": 7}});
        for (labels, fields, expected) in [
            ("", "", true),
            ("k=v", "metadata.name=x,spec.id=7", true),
            ("k==v,k,!other,k!=w", "", true),
            ("k!=v", "", false),
            ("other", "", false),
            ("", "spec.id=8", false),
        ] {
            let options =
                options(&format!("labelSelector={labels}&fieldSelector={}", fields.replace('=', "%3D")));
            assert_eq!(
                Selector::read(&target, &options).unwrap().matches(&object),
                expected,
                "{labels} {fields}"
            );
        }
        assert!(Selector::read(&target, &options("labelSelector=a+in+%28b%29")).is_err());
    }
}
