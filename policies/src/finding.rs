//! One thing a detector saw.

use std::{fmt, ops::Range, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One thing seen in a segment: what, how bad, how sure, and where.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// What was seen.
    pub id: FindingId,
    /// How bad it is.
    pub severity: Severity,
    /// How sure the detector is, 0 to 1; detectors that match exactly say 1.
    pub score: f32,
    /// Where, in bytes of the segment's text; empty at 0 when the finding is about the whole segment.
    pub span: Range<usize>,
    /// One sentence for the reader of a record; never quotes the text that tripped it.
    pub message: String,
    /// The programming language, for findings in code.
    pub language: Option<String>,
    /// The weakness, as a number of the Common Weakness Enumeration.
    pub cwe: Option<u16>,
}

/// How bad a finding is; the three levels of Code Shield.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Advice,
    /// Worth a look before use.
    Warning,
    /// Wrong.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Advice => "advice",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// The name of a kind of finding: a dotted path such as `code.python.exec-use` or `guard.S1`.
///
/// A path covers what lies below it: `code` covers `code.python.exec-use`, but not `codes`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FindingId(Arc<str>);

impl FindingId {
    /// Reads a dotted path of parts made of ASCII letters, digits, `-` and `_`.
    ///
    /// # Errors
    /// A part is empty, or has another character; or the path is longer than 128 bytes.
    pub fn parse(text: &str) -> Result<Self, FindingIdError> {
        let part_is_word =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if text.len() <= 128 && text.split('.').all(part_is_word) {
            Ok(Self(text.into()))
        } else {
            Err(FindingIdError(text.chars().take(128).collect()))
        }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// All prefixes that end where a part ends, and the id itself.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        let text = self.as_str();
        text.match_indices('.').filter_map(|(end, _)| text.get(..end)).chain(std::iter::once(text))
    }

    /// Whether this path is `above`, or lies below it.
    pub fn is_within(&self, above: &Self) -> bool {
        self.0.strip_prefix(&*above.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for FindingId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for FindingId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A text that is not the name of a kind of finding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a finding's name: write a dotted path such as `code.python.exec-use`")]
pub struct FindingIdError(String);

#[cfg(test)]
mod tests {
    use super::FindingId;

    #[test]
    fn a_path_covers_itself_and_what_lies_below() {
        let id = |text| FindingId::parse(text).unwrap();
        assert!(id("code.python.exec-use").is_within(&id("code")));
        assert!(id("code").is_within(&id("code")));
        assert!(!id("codes").is_within(&id("code")));
        assert!(!id("code").is_within(&id("code.python")));
    }

    #[test]
    fn only_dotted_words_are_names() {
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "a/b", "é"] {
            assert!(FindingId::parse(bad).is_err(), "{bad}");
        }
    }
}
