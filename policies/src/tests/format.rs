//! The page of the format and the schema say what the reader does.

use std::fmt::Write as _;

use serde_json::Value;

use super::catalog;
use crate::{
    case::CASE,
    exception::EXCEPTION,
    fields::{Need, Table},
    packs,
    policy::POLICY,
    rule::RULE,
    schema,
};

const PAGE: &str = include_str!("../docs/format.md");

/// The fields of a table, as rows of Markdown.
fn rows(table: &Table) -> String {
    table.fields().fold(String::new(), |mut rows, field| {
        let need = if field.need == Need::Required { " (needed)" } else { "" };
        let _ = writeln!(rows, "| `{}`{need} | {} |", field.name, field.about);
        rows
    })
}

#[test]
fn the_page_has_every_field() {
    for table in [&POLICY, &RULE, &EXCEPTION, &CASE] {
        let rows = rows(table);
        assert!(PAGE.contains(&rows), "{} in docs/format.md must read\n{rows}", table.of);
    }
}

#[test]
fn the_schema_knows_every_field_and_every_finding() {
    let schema = schema(&catalog());
    let rule = schema.pointer("/properties/rules/items").unwrap();
    assert_eq!(rule.pointer("/additionalProperties"), Some(&Value::Bool(false)));
    for field in RULE.fields() {
        assert!(rule.pointer(&format!("/properties/{}/description", field.name)).is_some(), "{}", field.name);
    }
    let needed: Vec<&str> = rule["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(needed, ["id", "finding", "action", "why"]);
    let findings = schema.pointer("/$defs/finding/enum").and_then(Value::as_array).unwrap();
    assert!(findings.contains(&"guard".into()) && findings.contains(&"guard.S1".into()));
    assert_eq!(rule.pointer("/properties/mode/enum"), Some(&serde_json::json!(["enforce", "monitor"])));
}

#[test]
fn the_shipped_policies_use_only_fields_of_the_schema() {
    let schema = schema(&catalog());
    for (name, text) in packs() {
        let value: Value = serde_saphyr::from_str(text).unwrap();
        fits(&value, &schema, &schema, name);
    }
}

/// Holds a value to the parts of a schema that we write.
fn fits(value: &Value, schema: &Value, root: &Value, place: &str) {
    assert!(is_fit(value, schema, root), "{place}: {value} does not fit {schema}");
    if let (Value::Object(fields), Some(known)) = (value, schema.get("properties")) {
        for (name, value) in fields {
            fits(value, &known[name], root, &format!("{place}/{name}"));
        }
    }
    if let (Value::Array(items), Some(schema)) = (value, schema.get("items")) {
        for item in items {
            fits(item, schema, root, place);
        }
    }
}

fn is_fit(value: &Value, schema: &Value, root: &Value) -> bool {
    if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
        return is_fit(value, root.pointer(path.trim_start_matches('#')).unwrap(), root);
    }
    if let Some(ways) = schema.get("anyOf").and_then(Value::as_array) {
        return ways.iter().any(|way| is_fit(value, way, root));
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.contains(value);
    }
    match (schema["type"].as_str().unwrap(), value) {
        ("string", Value::String(_)) | ("number", Value::Number(_)) => true,
        ("integer", Value::Number(number)) => number.is_u64(),
        ("array", Value::Array(items)) => items.iter().all(|item| is_fit(item, &schema["items"], root)),
        ("object", Value::Object(fields)) => {
            let known = &schema["properties"];
            let needed = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
            needed.iter().all(|name| fields.contains_key(name.as_str().unwrap()))
                && fields.iter().all(|(name, value)| match known.get(name) {
                    Some(known) => is_fit(value, known, root),
                    None => schema["additionalProperties"].is_object(),
                })
        }
        _ => false,
    }
}
