//! The policies that come with the program.

/// The shipped policies as pairs of a name and a text, the one that is on by default first.
///
/// They are read like an operator's own and have no privilege.
pub fn packs() -> &'static [(&'static str, &'static str)] {
    &PACKS
}

static PACKS: [(&str, &str); 2] =
    [("default", include_str!("../packs/default.yaml")), ("cyberseceval", include_str!("../packs/cyberseceval.yaml"))];
