//! Scalars as ITCare may write them: numbers quoted or fractional, flags as 0 and 1, dates in three forms.
//!
//! A value of a type that nobody foresaw counts as not given: these readers are for fields that may be
//! missing. What must be there (an id, a name, a status) is read strictly by whoever needs it.

use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::Value;

use crate::model::time;

/// A value, or none where it is missing or of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::api) struct Lenient<T>(pub Option<T>);

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// What a scalar was written as.
enum Scalar {
    Flag(bool),
    Whole(i64),
    Fraction(f64),
    Text(String),
    Other,
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Flag(value))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar::Whole(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Scalar, E> {
                Ok(i64::try_from(value).map_or(Scalar::Other, Scalar::Whole))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar::Fraction(value))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(value.to_owned()))
            }
            fn visit_string<E: de::Error>(self, value: String) -> Result<Scalar, E> {
                Ok(Scalar::Text(value))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Scalar, E> {
                Ok(Scalar::Other)
            }
            fn visit_none<E: de::Error>(self) -> Result<Scalar, E> {
                Ok(Scalar::Other)
            }
            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar, D::Error> {
                deserializer.deserialize_any(self)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl Scalar {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Whole(number) => Some(number.to_string()),
            Self::Flag(_) | Self::Fraction(_) | Self::Other => None,
        }
    }

    fn fraction(self) -> Option<f64> {
        let value = match self {
            #[expect(clippy::cast_precision_loss, reason = "amounts are far below 2^53")]
            Self::Whole(number) => number as f64,
            Self::Fraction(number) => number,
            Self::Text(text) => text.trim().parse().ok()?,
            Self::Flag(_) | Self::Other => return None,
        };
        value.is_finite().then_some(value)
    }

    fn integer(self) -> Option<i64> {
        match self {
            Self::Whole(number) => Some(number),
            Self::Text(text) if text.trim().parse::<i64>().is_ok() => text.trim().parse().ok(),
            other => whole(other.fraction()?),
        }
    }

    fn flag(self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(flag),
            Self::Whole(0) => Some(false),
            Self::Whole(1) => Some(true),
            Self::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Self::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            Self::Whole(_) | Self::Text(_) | Self::Fraction(_) | Self::Other => None,
        }
    }
}

/// Rounded, when it fits.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked right before")]
fn whole(value: f64) -> Option<i64> {
    (value.abs() < 9e15).then(|| value.round() as i64)
}

fn read<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    of: impl FnOnce(Scalar) -> Option<T>,
) -> Result<Lenient<T>, D::Error> {
    Scalar::deserialize(deserializer).map(|scalar| Lenient(of(scalar)))
}

/// A text; a whole number counts as its digits.
pub(in crate::api) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Lenient<String>, D::Error> {
    read(deserializer, |scalar| scalar.text().filter(|text| !text.trim().is_empty()))
}

/// A whole number; a fraction is rounded.
pub(in crate::api) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Lenient<i64>, D::Error> {
    read(deserializer, Scalar::integer)
}

/// A flag.
pub(in crate::api) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Lenient<bool>, D::Error> {
    read(deserializer, Scalar::flag)
}

/// A date.
pub(in crate::api) fn date<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Lenient<Timestamp>, D::Error> {
    read(deserializer, |scalar| time::parse_lenient(&scalar.text()?))
}

/// An object, or none where something else stands. A derived reader would take an array for its fields in order.
pub(in crate::api) fn object<'de, D: Deserializer<'de>, T: de::DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(if value.is_object() { serde_json::from_value(value).ok() } else { None })
}

/// An id that must be there: a number, or its digits in quotes.
pub(in crate::api) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let value = match Scalar::deserialize(deserializer)? {
        Scalar::Whole(number) => Some(number),
        Scalar::Text(text) => text.trim().parse().ok(),
        Scalar::Flag(_) | Scalar::Fraction(_) | Scalar::Other => None,
    };
    value.filter(|id| *id > 0).ok_or_else(|| de::Error::custom("an id that is no positive number"))
}
