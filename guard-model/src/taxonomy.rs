//! The hazards a guard can report, read from `taxonomies/*.yaml`.

use crate::GuardError;
use std::fmt;
use std::sync::Arc;

/// The code of a hazard: `S1` to `S14`, `injection`, `cyber`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize)]
#[serde(from = "String")]
pub struct HazardId(Arc<str>);

impl HazardId {
    /// The hazard of this code; whether a taxonomy has it, [`Taxonomy::hazard`] says.
    pub fn new(code: &str) -> Self {
        Self(code.into())
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for HazardId {
    fn from(code: String) -> Self {
        Self(code.into())
    }
}

impl fmt::Display for HazardId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One hazard.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hazard {
    /// Its code.
    pub code: HazardId,
    /// Its name.
    pub name: String,
    /// What it means, in one sentence.
    pub definition: String,
}

/// The hazards a guard knows, in the order it reports them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taxonomy {
    /// The hazards.
    pub hazards: Vec<Hazard>,
}

impl Taxonomy {
    /// The hazards of the embedded guard: `S1` to `S14`, `injection`, `cyber`.
    ///
    /// # Errors
    /// [`GuardError::Taxonomy`] when a built-in file is malformed, which a test rules out.
    pub fn embedded() -> Result<Self, GuardError> {
        let mut hazards = Vec::new();
        for (name, text) in FILES {
            hazards.extend(parse(name, text)?);
        }
        Ok(Self { hazards })
    }

    /// The hazard of a code.
    pub fn hazard(&self, code: &str) -> Option<&Hazard> {
        self.hazards.iter().find(|hazard| hazard.code.as_str() == code)
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "the name is for the reader of the file")]
    taxonomy: String,
    hazards: Vec<Hazard>,
}

fn parse(name: &str, text: &str) -> Result<Vec<Hazard>, GuardError> {
    let file: File = serde_saphyr::from_str(text)
        .map_err(|error| GuardError::Taxonomy { name: name.to_owned(), reason: error.to_string() })?;
    Ok(file.hazards)
}

const FILES: [(&str, &str); 2] = [
    ("mlcommons.yaml", include_str!("../taxonomies/mlcommons.yaml")),
    ("attacks.yaml", include_str!("../taxonomies/attacks.yaml")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_taxonomy_has_each_hazard_once_in_order() {
        let taxonomy = Taxonomy::embedded().unwrap();
        let codes: Vec<&str> = taxonomy.hazards.iter().map(|hazard| hazard.code.as_str()).collect();
        let mut expected: Vec<String> = (1..=14).map(|number| format!("S{number}")).collect();
        expected.extend(["injection".into(), "cyber".into()]);
        assert_eq!(codes, expected);
        assert_eq!(taxonomy.hazard("S9").unwrap().name, "Indiscriminate Weapons");
        assert!(taxonomy.hazard("S15").is_none());
    }

    #[test]
    fn a_malformed_taxonomy_is_named_with_its_place() {
        let error = parse("mine.yaml", "taxonomy: mine\nhazards:\n  - code: X\n    nam: Y\n").unwrap_err().to_string();
        assert!(error.contains("mine.yaml") && error.contains("nam"), "{error}");
    }
}
