//! Lists the rule documents for code, so that a new rule is a new file and nothing else.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("rules");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut list = String::from("&[\n");
    for folder in entries(&root)? {
        // The rules for any text have a list of their own; a language that is no feature has none.
        let feature = format!("CARGO_FEATURE_{}", last(&folder).to_ascii_uppercase());
        if !folder.is_dir() || folder.ends_with("any") || env::var_os(feature).is_none() {
            continue;
        }
        println!("cargo::rerun-if-changed={}", folder.display());
        for file in entries(&folder)? {
            let name = format!("{}/{}", last(&folder), last(&file));
            let _ = writeln!(list, "({name:?}, include_str!({:?})),", file.display().to_string());
        }
    }
    list.push(']');
    let flow = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("flow");
    println!("cargo::rerun-if-changed={}", flow.display());
    let mut worlds = String::from("&[\n");
    for file in entries(&flow)? {
        let name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let _ = writeln!(worlds, "({name:?}, include_str!({:?})),", file.display().to_string());
    }
    worlds.push(']');
    fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("worlds.rs"), worlds)?;
    fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("documents.rs"), list)
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn last(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
