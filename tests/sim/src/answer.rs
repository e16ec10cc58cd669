//! Answers, before they are bytes.
//!
//! Kept as JSON until the last moment, so that a fault can still change what is in them.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE};
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clock::http_date;

/// The media type of nearly every answer.
const VENDOR: &str = "application/vnd.cegedim-it.v1+json";

/// The media type of lists, of health and of tokens.
const PLAIN: &str = "application/json";

/// What is in an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Payload {
    Empty,
    Json(&'static str, Value),
    Text(&'static str, String),
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) payload: Payload,
    /// The action that it started.
    pub(crate) action: Option<i64>,
}

impl Reply {
    fn new(status: u16, payload: Payload) -> Reply {
        Reply { status, headers: Vec::new(), payload, action: None }
    }

    pub(crate) fn empty(status: u16) -> Reply {
        Reply::new(status, Payload::Empty)
    }

    pub(crate) fn vendor(status: u16, body: Value) -> Reply {
        Reply::new(status, Payload::Json(VENDOR, body))
    }

    pub(crate) fn plain(status: u16, body: Value) -> Reply {
        Reply::new(status, Payload::Json(PLAIN, body))
    }

    pub(crate) fn text(status: u16, kind: &'static str, body: String) -> Reply {
        Reply::new(status, if body.is_empty() { Payload::Empty } else { Payload::Text(kind, body) })
    }

    pub(crate) fn html(status: u16) -> Reply {
        let page = format!(
            "<!DOCTYPE html><html><head><title>{status}</title></head><body><h1>Gateway</h1><p>The page cannot be shown.</p></body></html>"
        );
        Reply::text(status, "text/html", page)
    }

    pub(crate) fn retry_after(status: u16, wait: &str) -> Reply {
        Reply::empty(status).with_header("Retry-After", wait)
    }

    #[must_use]
    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// 400 with the error object.
    pub(crate) fn bad_request(code: &str, about: &str, message: &str) -> Reply {
        Reply::vendor(400, error("BAD_REQUEST", code, about, message))
    }

    /// 422 with the error object.
    pub(crate) fn unprocessable(code: &str, about: &str, message: &str) -> Reply {
        Reply::vendor(422, error("UNPROCESSABLE_ENTITY", code, about, message))
    }

    /// Its body as bytes.
    pub(crate) fn bytes(&self) -> Bytes {
        match &self.payload {
            Payload::Empty => Bytes::new(),
            Payload::Json(_, body) => Bytes::from(body.to_string()),
            Payload::Text(_, body) => Bytes::from(body.clone()),
        }
    }

    /// The answer as it goes out, with the date of the simulator's clock.
    pub(crate) fn into_response(self, at: Timestamp) -> Response<Bytes> {
        let mut builder = Response::builder()
            .status(StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
            .header(DATE, http_date(at));
        match &self.payload {
            Payload::Empty => {}
            Payload::Json(kind, _) | Payload::Text(kind, _) => builder = builder.header(CONTENT_TYPE, *kind),
        }
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        let body = self.bytes();
        builder.body(body).unwrap_or_else(|_| {
            // Only a fault with an impossible header gets here.
            let mut response = Response::new(Bytes::from_static(b"a fault named an invalid header"));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        })
    }
}

/// The API's error object.
pub(crate) fn error(status: &str, code: &str, about: &str, message: &str) -> Value {
    json!({ "status": status, "errorCode": code, "errorDesc": about, "errorMessage": message })
}
