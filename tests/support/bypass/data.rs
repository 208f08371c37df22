//! The suite's documents.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// Where the suite's documents are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bypass")
}

/// A YAML document.
pub fn read(name: &str) -> Value {
    let path = folder().join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every YAML document of a folder, by name.
pub fn read_all(name: &str) -> Vec<Value> {
    let mut files: Vec<String> = fs::read_dir(folder().join(name))
        .unwrap()
        .map(|entry| format!("{name}/{}", entry.unwrap().file_name().to_string_lossy()))
        .filter(|file| file.ends_with(".yaml"))
        .collect();
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

/// A string field; empty if there is none.
pub fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The items of a list; none if there is no list.
pub fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// The fields of an object; none if there is no object.
pub fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The words of a list; `otherwise` if there is no list.
pub fn words(value: &Value, name: &str, otherwise: &[&str]) -> Vec<String> {
    match value[name].as_array() {
        Some(items) => items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        None => otherwise.iter().map(|word| (*word).to_owned()).collect(),
    }
}

/// The flags of a list; `otherwise` if there is no list.
pub fn flags(value: &Value, name: &str, otherwise: &[bool]) -> Vec<bool> {
    match value[name].as_array() {
        Some(items) => items.iter().filter_map(Value::as_bool).collect(),
        None => otherwise.to_vec(),
    }
}

/// The numbers of a list, or of a range such as `1..64`; none if there is neither.
pub fn numbers(value: &Value, name: &str) -> Vec<usize> {
    match &value[name] {
        Value::Array(items) => items.iter().map(|item| usize::try_from(item.as_u64().unwrap()).unwrap()).collect(),
        Value::String(range) => {
            let (first, last) = range.split_once("..").unwrap();
            (first.parse().unwrap()..=last.parse().unwrap()).collect()
        }
        _ => Vec::new(),
    }
}
