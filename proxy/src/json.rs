//! Strict JSON: one reading of a text, the same in every parser behind us.
//!
//! What lenient parsers disagree on is refused: duplicate keys, a byte order mark, invalid UTF-8, lone surrogates,
//! numbers beyond the 64-bit range, nesting beyond [`DEPTH`], anything after the document.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize as _,
    de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// The deepest nesting read.
pub const DEPTH: usize = 64;

/// Reads one JSON document.
///
/// # Errors
/// The text is not JSON in the strict sense above; the error names line and column.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|error| JsonError(format!("not UTF-8: {error}")))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict { depth: 0 }.deserialize(&mut reader).map_err(|error| JsonError(error.to_string()))?;
    reader.end().map_err(|error| JsonError(error.to_string()))?;
    Ok(value)
}

/// A text that is not strict JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(String);

/// A key as a case-insensitive parser compares it: lower case, with the two letters that fold to ASCII ones.
pub fn fold(key: &str) -> String {
    key.chars()
        .flat_map(|c| match c {
            'ſ' => 's'.to_lowercase(),
            '\u{212A}' => 'k'.to_lowercase(),
            other => other.to_lowercase(),
        })
        .collect()
}

/// The strings and keys of a JSON text that do not stand in it as they are, because escapes hide them; none if it is not JSON.
pub fn hidden(text: &str) -> Vec<String> {
    fn collect(value: &Value, strings: &mut Vec<String>) {
        match value {
            Value::String(text) => strings.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| collect(item, strings)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    strings.push(name.clone());
                    collect(value, strings);
                }
            }
            _ => {}
        }
    }
    let mut strings = Vec::new();
    // What has no escape hides nothing.
    if text.contains('\\')
        && let Ok(value) = parse(text.as_bytes())
    {
        collect(&value, &mut strings);
        strings.retain(|string| !text.contains(string.as_str()));
    }
    strings
}

/// The largest whole number that every reader of JSON reads as itself (RFC 8259, 6): others know only doubles.
const EXACT: u64 = (1 << 53) - 1;
const INEXACT: &str = "a whole number beyond 2^53 - 1, which readers round differently";

struct Strict {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Strict {
    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        let depth = self.depth + 1;
        if depth > DEPTH { Err(E::custom(format!("nested deeper than {DEPTH} levels"))) } else { Ok(Self { depth }) }
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() > EXACT { Err(E::custom(INEXACT)) } else { Ok(value.into()) }
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        if value > EXACT { Err(E::custom(INEXACT)) } else { Ok(value.into()) }
    }

    /// An integer of 64 bits or more arrives here as a float that has lost digits, so it is refused by its size.
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        const LIMIT: f64 = 9_223_372_036_854_775_808.0;
        let number = Number::from_f64(value).filter(|_| value.abs() < LIMIT);
        number.map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self.deeper()?)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        let mut seen = HashSet::new();
        while let Some(key) = access.next_key_seed(Key)? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format!("duplicate key `{}`", key.escape_debug())));
            }
            fields.insert(key, access.next_value_seed(self.deeper()?)?);
        }
        Ok(Value::Object(fields))
    }
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::{DEPTH, fold, parse};

    #[test]
    fn what_parsers_disagree_on_is_refused() {
        for bad in [
            r#"{"a":1,"a":2}"#,
            r#"{"x":{"a":1,"\u0061":2}}"#,
            "\u{feff}{}",
            r#"{"a":NaN}"#,
            r#"{"a":1e400}"#,
            r#"{"a":18446744073709551616}"#,
            r#"{"a":-9223372036854775809}"#,
            r#"{"a":9007199254740992}"#,
            r#"{"a":-9007199254740992}"#,
            r#"{"a":"\ud800"}"#,
            "{} {}",
            "{\"a\":\"\u{1}\"}",
            "[1,]",
            "",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(parse(&[b'"', 0xff, b'"']).is_err());
        assert!(parse(&"{}".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()).is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(nested(DEPTH).as_bytes()).is_ok());
        assert!(parse(nested(DEPTH + 2).as_bytes()).is_err());
        assert!(parse(nested(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn order_and_values_are_kept() {
        let text = r#"{"b":[1,-2,2.5,null,true],"a":"é\n"}"#;
        assert_eq!(serde_json::to_string(&parse(text.as_bytes()).unwrap()).unwrap(), text);
    }

    #[test]
    fn letters_that_fold_to_ascii_are_folded() {
        assert_eq!(fold("meſſages"), "messages");
        assert_eq!(fold("MODEL"), "model");
        assert_eq!(fold("to\u{212A}en"), "token");
    }
}
