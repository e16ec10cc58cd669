//! Times as the API writes them, and spans as people write them.
//!
//! The clock itself is in `world`: a start time plus what tokio's clock has run since, so that paused
//! test time works and no test ever waits.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::{TimeZone, offset};
use serde::{Deserialize, Serialize};

/// How dates are written in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dates {
    /// `2025-05-08T22:40:00.750Z`, as in the samples of the reference.
    #[default]
    Zulu,
    /// `2016-06-01T12:27:19.000+0200`, as in the overview: strict RFC 3339 parsers refuse it.
    OffsetWithoutColon,
    /// `2016-06-01T12:27:19+02:00`
    OffsetWithColon,
}

/// A date in a JSON body.
pub(crate) fn written(at: Timestamp, dates: Dates) -> String {
    match dates {
        Dates::Zulu => at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        Dates::OffsetWithoutColon => paris_summer(at).strftime("%Y-%m-%dT%H:%M:%S%.3f%z").to_string(),
        Dates::OffsetWithColon => paris_summer(at).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
    }
}

fn paris_summer(at: Timestamp) -> jiff::Zoned {
    at.to_zoned(TimeZone::fixed(offset(2)))
}

/// A date in an HTTP header.
pub(crate) fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// `at` plus a span; the end of time rather than an overflow.
pub(crate) fn later(at: Timestamp, span: Duration) -> Timestamp {
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// `at` minus a span; the beginning of time rather than an overflow.
pub(crate) fn earlier(at: Timestamp, span: Duration) -> Timestamp {
    at.checked_sub(span).unwrap_or(Timestamp::MIN)
}

/// Reads `500ms`, `2s`, `5m`, `2h`, `3d`.
///
/// # Errors
///
/// A sentence that says what is wrong.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 =
        digits.parse().map_err(|_| format!("`{text}` is not a span such as 500ms, 2s, 5m, 2h or 3d"))?;
    let milliseconds = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        unit => return Err(format!("`{unit}` is not one of ms, s, m, h, d")),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(|| format!("`{text}` is too long"))
}

/// Spans in JSON are text such as `"2s"`, because a person types them into a control request.
pub(crate) mod span {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{}ms", span.as_millis()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        super::parse_span(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// The same for a span that may be absent.
pub(crate) mod optional_span {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(
        span: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => super::span::serialize(span, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text: Option<String> = Option::deserialize(deserializer)?;
        text.map(|text| super::parse_span(&text).map_err(de::Error::custom)).transpose()
    }
}
