//! The house rules, as tests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Calls with one place of their own: text, the only files that may have it, why.
const BANNED: [(&str, &[&str], &str); 4] = [
    ("env::var", &["proxy/src/config.rs", "code-shield/build.rs"], "the environment is read in one place"),
    ("SystemTime::now", &["proxy/src/audit/", "proxy/src/audit.rs"], "only the log needs to know what time it is"),
    ("tokio::spawn", &["proxy/src/serve.rs"], "a task outlives nobody but its connection"),
    ("TODO", &[], "what is not done is an issue"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every tracked file with its text; binary files are left out.
fn files() -> Vec<(String, String)> {
    let listed =
        Command::new("git").args(["ls-files", "-co", "--exclude-standard"]).current_dir(root()).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let read = |name: &str| Some((name.to_owned(), fs::read_to_string(root().join(name)).ok()?));
    listed.lines().filter_map(read).collect()
}

fn sources() -> Vec<(String, String)> {
    files().into_iter().filter(|(name, _)| name.ends_with(".rs")).collect()
}

/// The part of a file that is not its tests.
fn product(name: &str, text: &str) -> String {
    let beside = ["/examples/", "/benches/", "/fuzz/", "/tests/"].iter().any(|folder| name.contains(folder));
    let is_test = name.starts_with("tests/") || name.ends_with("/tests.rs") || beside;
    if is_test { String::new() } else { text.split("#[cfg(test)]").next().unwrap_or_default().to_owned() }
}

#[test]
fn arrows_go_one_way() {
    let metadata = MetadataCommand::new().current_dir(root()).no_deps().exec().unwrap();
    let ours: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    for package in &metadata.packages {
        let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
        let arrows: Vec<&str> =
            normal.map(|dependency| dependency.name.as_str()).filter(|name| ours.contains(name)).collect();
        let allowed: &[&str] = match package.name.as_str() {
            "ringfence" => &["code-shield", "guard-model", "policies"],
            _ => &[],
        };
        assert!(arrows.iter().all(|arrow| allowed.contains(arrow)), "{} points at {arrows:?}", package.name);
    }
}

#[test]
fn leaves_have_few_dependencies() {
    let metadata = MetadataCommand::new().current_dir(root()).no_deps().exec().unwrap();
    let heavy = ["tree-sitter-", "candle-", "tokenizers", "safetensors", "minijinja"];
    for leaf in ["code-shield", "guard-model", "policies"] {
        let package = metadata.packages.iter().find(|package| package.name.as_str() == leaf).unwrap();
        let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
        let light: Vec<&str> = normal
            .map(|dependency| dependency.name.as_str())
            .filter(|name| !heavy.iter().any(|heavy| name.starts_with(heavy)))
            .collect();
        // regex for rules on trees, regex-automata for knowing whether a text may still become a match.
        let most = if leaf == "code-shield" { 7 } else { 6 };
        assert!(light.len() <= most, "{leaf} depends on {light:?}");
    }
}

#[test]
fn files_are_small() {
    for (name, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 600, "{name} has {lines} lines: one file is one noun");
    }
}

#[test]
fn unsafe_code_is_in_the_guard_model_only() {
    for (name, text) in sources() {
        if !name.starts_with("guard-model/") && !name.starts_with("tests/") {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let hit = code.clone().find(|line| line.contains("unsafe {") || line.contains("unsafe fn"));
            assert!(hit.is_none(), "{name}: {hit:?}");
        }
    }
    for leaf in ["policies", "code-shield", "proxy"] {
        let text = fs::read_to_string(root().join(leaf).join("src/lib.rs")).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]"), "{leaf} does not forbid unsafe code");
    }
}

#[test]
fn every_crate_opens_with_what_it_is() {
    for (name, text) in sources().into_iter().filter(|(name, _)| name.ends_with("src/lib.rs")) {
        assert!(text.starts_with("//! "), "{name} does not say what it is");
        let code = text.lines().filter(|line| !line.starts_with("//!")).count();
        assert!(code <= 60, "{name} has {code} lines of code: it is a map, not a place");
    }
}

#[test]
fn some_calls_have_one_place() {
    for (name, text) in sources() {
        let text = product(&name, &text);
        for (call, places, why) in BANNED {
            let allowed = places.iter().any(|place| name.starts_with(place));
            assert!(allowed || !text.contains(call), "{name} has `{call}`: {why}");
        }
    }
}

#[test]
fn versions_stand_in_the_root_manifest() {
    for member in ["proxy", "guard-model", "code-shield", "policies", "tests"] {
        let manifest = fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
        let sections = manifest.split("\n[").filter(|section| section.contains("dependencies]"));
        for line in sections.flat_map(|section| section.lines().skip(1)).filter(|line| line.contains('=')) {
            assert!(line.contains(".workspace = true") || line.contains("workspace = true,"), "{member}: {line}");
        }
    }
}

#[test]
fn ci_runs_the_tests_and_nothing_else() {
    let script = fs::read_to_string(root().join(".ci/run")).unwrap();
    let commands =
        script.lines().filter(|line| !line.starts_with('#') && !line.starts_with("set ") && !line.is_empty());
    assert_eq!(commands.collect::<Vec<_>>(), ["exec \"$(dirname \"$0\")/../tests/run\""]);
}

#[test]
fn no_registry_is_named() {
    // Written in two halves, so that this file does not name them either.
    let hosts = [
        ("pypi", ".org"),
        ("pythonhosted", ".org"),
        ("registry.npmjs", ".org"),
        ("static.crates", ".io"),
        ("deb.debian", ".org"),
    ];
    for (name, text) in files().into_iter().filter(|(name, _)| name != "Cargo.lock") {
        for (left, right) in hosts {
            assert!(!text.contains(&format!("{left}{right}")), "{name} names {left}{right}");
        }
    }
}
