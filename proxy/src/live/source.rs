//! Where policies come from.

use std::fmt::Write as _;

use policies::{Catalog, Policy, PolicySet};
use sha2::{Digest as _, Sha256};

/// Files and packs, and what the policies in them may name.
#[derive(Debug, Clone)]
pub struct Source {
    names: Vec<String>,
    /// What can be reported, and so must be answered.
    catalog: Catalog,
    /// What could be reported if every detector were on, and so may be named.
    everything: Catalog,
}

/// Why no policies come from a source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A pack that does not exist.
    #[error("there is no pack `{name}`; the packs are {known}")]
    NoPack {
        /// Its name.
        name: String,
        /// Those that exist.
        known: String,
    },
    /// A file cannot be read.
    #[error("policy file {file}: {error}")]
    File {
        /// Its name.
        file: String,
        /// Why.
        error: std::io::Error,
    },
    /// A file is no policy, or they do not go together.
    #[error(transparent)]
    Policy(#[from] policies::PolicyError),
    /// The tenants that a policy is for cannot be read.
    #[error("`{name}` is for no tenant that can be: write `{policy} for TENANT`, several with commas between")]
    Tenants {
        /// The whole name.
        name: String,
        /// The policy's.
        policy: String,
    },
    /// A case fails.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Cases(Vec<policies::CaseFailure>),
}

impl Source {
    /// Policies by their names, `pack:NAME` or a file, with ` for TENANT, TENANT` behind it if they are for some only;
    /// the pack `default` if there are none.
    pub fn new(names: &[String], catalog: Catalog, everything: Catalog) -> Self {
        let names = if names.is_empty() { vec!["pack:default".to_owned()] } else { names.to_vec() };
        Self { names, catalog, everything }
    }

    /// The names and texts.
    ///
    /// # Errors
    /// [`SourceError::NoPack`] or [`SourceError::File`].
    pub fn texts(&self) -> Result<Vec<(String, String)>, SourceError> {
        self.names.iter().map(|name| Ok((name.clone(), text(split(name).0)?))).collect()
    }

    /// A hash that changes with the texts.
    pub fn fingerprint(texts: &[(String, String)]) -> String {
        let mut hash = Sha256::new();
        for (_, text) in texts {
            hash.update(Sha256::digest(text));
        }
        let hash: [u8; 32] = hash.finalize().into();
        hash.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// The policies of these texts.
    ///
    /// # Errors
    /// [`SourceError::Policy`], [`SourceError::Tenants`].
    pub fn read(&self, texts: &[(String, String)]) -> Result<PolicySet, SourceError> {
        let parsed = texts.iter().map(|(name, text)| parse(name, text, &self.everything));
        Ok(PolicySet::new(parsed.collect::<Result<_, _>>()?, &self.catalog)?)
    }

    /// The policies of these texts, whose cases all hold.
    ///
    /// # Errors
    /// As [`Source::read`], and [`SourceError::Cases`].
    pub fn proven(&self, texts: &[(String, String)]) -> Result<PolicySet, SourceError> {
        let policies = self.read(texts)?;
        prove(&policies)?;
        Ok(policies)
    }
}

/// Reads a policy by its name, which may end in ` for TENANT, TENANT`.
///
/// # Errors
/// [`SourceError::Policy`], [`SourceError::Tenants`].
pub fn parse(name: &str, text: &str, catalog: &Catalog) -> Result<Policy, SourceError> {
    let (file, tenants) = split(name);
    let unreadable = |_| SourceError::Tenants { name: name.to_owned(), policy: file.to_owned() };
    Policy::parse(file, text, catalog)?.only_for(&tenants).map_err(unreadable)
}

/// A policy's own name, and the tenants it is for.
pub fn split(name: &str) -> (&str, Vec<&str>) {
    match name.split_once(" for ") {
        Some((file, tenants)) => (file.trim(), tenants.split(',').map(str::trim).collect()),
        None => (name, Vec::new()),
    }
}

/// Runs the cases of all policies.
///
/// # Errors
/// [`SourceError::Cases`].
pub fn prove(policies: &PolicySet) -> Result<(), SourceError> {
    let failures: Vec<_> = policies.policies().iter().flat_map(Policy::run_cases).collect();
    if failures.is_empty() { Ok(()) } else { Err(SourceError::Cases(failures)) }
}

/// The text of one policy, `pack:NAME` or a file.
///
/// # Errors
/// [`SourceError::NoPack`] or [`SourceError::File`].
pub fn text(name: &str) -> Result<String, SourceError> {
    let Some(pack) = name.strip_prefix("pack:") else {
        return std::fs::read_to_string(name).map_err(|error| SourceError::File { file: name.to_owned(), error });
    };
    let found = policies::packs().iter().find(|(known, _)| *known == pack);
    found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| {
        let known: Vec<&str> = policies::packs().iter().map(|(known, _)| *known).collect();
        SourceError::NoPack { name: pack.to_owned(), known: known.join(", ") }
    })
}
