//! The findings that detectors can report.

use std::collections::BTreeSet;

use crate::{FindingId, nearest::nearest};

/// The kinds of finding that can occur: a policy that names another one does not load.
///
/// Holds each id that a detector reports, and every path above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    reported: BTreeSet<FindingId>,
    paths: BTreeSet<String>,
}

impl Catalog {
    /// The catalog of all that some detectors can report.
    pub fn new(reported: impl IntoIterator<Item = FindingId>) -> Self {
        let reported: BTreeSet<FindingId> = reported.into_iter().collect();
        let paths = reported.iter().flat_map(FindingId::paths).map(str::to_owned).collect();
        Self { reported, paths }
    }

    /// Whether `id` is reported by a detector, or is a path above such an id.
    pub fn contains_prefix(&self, id: &FindingId) -> bool {
        self.paths.contains(id.as_str())
    }

    /// The path that `word` was most likely meant to be; none when nothing is close.
    pub fn nearest(&self, word: &str) -> Option<&str> {
        nearest(word, self.paths.iter().map(String::as_str))
    }

    /// Every id that a detector reports, sorted.
    pub fn ids(&self) -> impl Iterator<Item = &FindingId> {
        self.reported.iter()
    }

    /// Every id that a detector reports, and every path above one, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// The first part of every path, such as `guard`: what a reader is shown when no path is close to what they wrote.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &str> {
        self.paths().filter(|path| !path.contains('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::Catalog;
    use crate::FindingId;

    fn catalog() -> Catalog {
        Catalog::new(["code.python.exec-use", "guard.S1", "guard.S10"].map(|id| FindingId::parse(id).unwrap()))
    }

    #[test]
    fn an_id_and_every_path_above_it_are_known() {
        let known = |id| catalog().contains_prefix(&FindingId::parse(id).unwrap());
        assert!(known("code") && known("code.python") && known("code.python.exec-use") && known("guard.S1"));
        assert!(!known("cod") && !known("code.python.exec") && !known("guard.S2") && !known("code.python.exec-use.x"));
    }

    #[test]
    fn the_nearest_path_is_offered() {
        assert_eq!(catalog().nearest("code.pyton"), Some("code.python"));
        assert_eq!(catalog().nearest("gaurd"), Some("guard"));
        assert_eq!(catalog().nearest("weather"), None);
    }

    #[test]
    fn roots_are_first_parts() {
        assert_eq!(catalog().roots().collect::<Vec<_>>(), ["code", "guard"]);
        assert_eq!(catalog().ids().count(), 3);
    }
}
