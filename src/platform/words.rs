//! What to say of an error: its own words and those of its causes, each once.
//!
//! Not here: which errors are worth a word.

use std::error::Error;

/// "cannot do this: because of that: since there is none". Of a refusal of the API server its message alone:
/// the Kubernetes client would print the whole answer behind it, as a structure.
#[must_use]
pub fn words(error: &(dyn Error + 'static)) -> String {
    if let Some(kube::Error::Api(status)) = error.downcast_ref() {
        return status.message.clone();
    }
    let own = error.to_string();
    let Some(cause) = error.source() else { return own };
    let told = words(cause);
    // Many repeat their cause at the end.
    match own.strip_suffix(&cause.to_string()) {
        Some(head) => format!("{head}{told}"),
        None if own.contains(&told) => own,
        None => format!("{own}: {told}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<dyn Error + Send + Sync>>,
    }

    fn refused() -> kube::Error {
        let status = kube::core::Status::failure("namespaces \"x\" not found", "NotFound").with_code(404);
        kube::Error::Api(Box::new(status))
    }

    #[test]
    fn causes_are_told_each_once() {
        let inner = Layer { text: "connection refused", source: None };
        let middle = Layer { text: "client error", source: Some(Box::new(inner)) };
        let outer = kube::Error::Service(Box::new(middle));
        assert_eq!(words(&outer), "ServiceError: client error: connection refused");
    }

    #[test]
    fn a_cause_that_is_told_already_is_left_out() {
        let inner = Layer { text: "no such file", source: None };
        let outer = Layer { text: "no such file: /x", source: Some(Box::new(inner)) };
        assert_eq!(words(&outer), "no such file: /x");
    }

    #[test]
    fn a_refusal_of_the_api_server_is_its_message() {
        assert_eq!(words(&refused()), "namespaces \"x\" not found");
        let watch = kube::runtime::watcher::Error::InitialListFailed(refused());
        assert_eq!(words(&watch), "failed to perform initial object list: namespaces \"x\" not found");
    }
}
