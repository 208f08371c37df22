//! The policies that come with the program.

/// The shipped policies as pairs of a name and a text, the one that is on by default first.
///
/// They are read like an operator's own and have no privilege.
pub fn packs() -> &'static [(&'static str, &'static str)] {
    &PACKS
}

static PACKS: [(&str, &str); 8] = [
    ("default", include_str!("../packs/default.yaml")),
    ("cyberseceval", include_str!("../packs/cyberseceval.yaml")),
    ("llama-guard", include_str!("../packs/llama-guard.yaml")),
    ("code-shield", include_str!("../packs/code-shield.yaml")),
    ("secrets-and-personal-data", include_str!("../packs/secrets-and-personal-data.yaml")),
    ("coding-assistant", include_str!("../packs/coding-assistant.yaml")),
    ("children", include_str!("../packs/children.yaml")),
    ("monitor-only", include_str!("../packs/monitor-only.yaml")),
];
