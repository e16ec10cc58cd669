//! What the API server was asked, by whom, and what it answered: its audit log as values.
//!
//! The server writes one line when a request is complete, which may be a moment after its client got
//! the answer: wait for an entry, do not expect it at once. Not here: bodies (level `Metadata`).

use serde_json::Value;

/// Everything, without the stage before the answer is known.
pub(super) const POLICY: &str = r#"{"apiVersion":"audit.k8s.io/v1","kind":"Policy","omitStages":["RequestReceived"],"rules":[{"level":"Metadata"}]}"#;

/// One completed request. A watch is complete when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// As RBAC knows it: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, …
    pub verb: String,
    /// The authenticated user.
    pub user: String,
    /// API group; empty for the core group.
    pub group: String,
    /// Plural name; empty for paths outside of resources such as `/readyz`.
    pub resource: String,
    /// `status`, `token`, … or empty.
    pub subresource: String,
    /// Empty for cluster-wide requests.
    pub namespace: String,
    /// Empty for requests on a collection.
    pub name: String,
    /// HTTP status.
    pub code: u16,
    /// The client's own name for itself.
    pub user_agent: String,
    /// Path and query.
    pub uri: String,
}

/// The completed requests of a log; a last line that is still being written is left out.
pub(super) fn parse(log: &str) -> Vec<AuditEvent> {
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).filter_map(|line| event(&line)).collect()
}

fn event(line: &Value) -> Option<AuditEvent> {
    if line["stage"] != "ResponseComplete" {
        return None;
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &line["objectRef"];
    Some(AuditEvent {
        verb: text(&line["verb"]),
        user: text(&line["user"]["username"]),
        group: text(&object["apiGroup"]),
        resource: text(&object["resource"]),
        subresource: text(&object["subresource"]),
        namespace: text(&object["namespace"]),
        name: text(&object["name"]),
        code: line["responseStatus"]["code"].as_u64().and_then(|code| code.try_into().ok()).unwrap_or(0),
        user_agent: text(&line["userAgent"]),
        uri: text(&line["requestURI"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_completed_requests_count_and_a_torn_line_is_left_out() {
        let log = concat!(
            r#"{"stage":"ResponseStarted","verb":"watch"}"#,
            "\n",
            r#"{"stage":"ResponseComplete","verb":"patch","user":{"username":"alice"},"objectRef":{"resource":"leases","namespace":"a","name":"b"},"responseStatus":{"code":409},"userAgent":"x","requestURI":"/apis"}"#,
            "\n",
            r#"{"stage":"Respo"#
        );
        let events = parse(log);
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].user.as_str(), events[0].code), ("alice", 409));
        assert_eq!(events[0].subresource, "");
    }
}
