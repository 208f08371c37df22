//! The format of policies as a JSON Schema, for editors that complete and check while one types.

use serde_json::{Map, Value, json};

use crate::{
    Catalog,
    fields::{Need, Shape, Table},
    policy::POLICY,
};

/// The JSON Schema (draft 2020-12) of a policy that may name the findings of this catalog.
///
/// Made of the same tables that files are read by. What it cannot say, such as that two rules must not share an id, only
/// reading tells.
pub fn schema(catalog: &Catalog) -> Value {
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("a policy of ringfence"));
    if let Value::Object(fields) = part(&POLICY) {
        schema.extend(fields);
    }
    let paths: Vec<&str> = catalog.paths().collect();
    schema.insert("$defs".to_owned(), json!({"finding": {"type": "string", "enum": paths}}));
    Value::Object(schema)
}

fn part(table: &Table) -> Value {
    let properties: Map<String, Value> = table
        .fields()
        .map(|field| {
            let mut shape = of(&field.shape);
            if let Value::Object(shape) = &mut shape {
                shape.insert("description".to_owned(), json!(field.about));
            }
            (field.name.to_owned(), shape)
        })
        .collect();
    let needed: Vec<&str> =
        table.fields().filter(|field| field.need == Need::Required).map(|field| field.name).collect();
    json!({"type": "object", "properties": properties, "required": needed, "additionalProperties": false})
}

fn of(shape: &Shape) -> Value {
    match shape {
        Shape::Name => json!({"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}),
        Shape::Text => json!({"type": "string", "pattern": "\\S"}),
        Shape::Line(most) => json!({"type": "string", "pattern": "\\S", "minLength": 1, "maxLength": most}),
        Shape::Score => json!({"type": "number", "minimum": 0, "maximum": 1}),
        Shape::Share => json!({"type": "string", "pattern": "^(100(\\.00?)?|[0-9]{1,2}(\\.[0-9]{1,2})?)%$"}),
        Shape::Day => json!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}),
        Shape::Weakness => json!({"anyOf": [
            {"type": "string", "pattern": "^([Cc][Ww][Ee]-)?[0-9]{1,5}$"},
            {"type": "integer", "minimum": 1, "maximum": u16::MAX},
        ]}),
        Shape::Finding => json!({"$ref": "#/$defs/finding"}),
        Shape::Pattern => json!({"type": "string", "minLength": 1, "maxLength": crate::Glob::LONGEST}),
        Shape::Word(words) => json!({"type": "string", "enum": words()}),
        Shape::Texts(most) => json!({
            "type": "object",
            "propertyNames": {"pattern": "^[a-z]{2,}(-[A-Za-z0-9]+)*$"},
            "additionalProperties": of(&Shape::Line(*most)),
        }),
        Shape::Part(table) => part(table),
        Shape::Parts(table) => json!({"type": "array", "items": part(table)}),
        Shape::Several(one) => json!({"anyOf": [of(one), {"type": "array", "items": of(one), "minItems": 1}]}),
        Shape::Either(shapes) => json!({"anyOf": shapes.iter().map(of).collect::<Vec<_>>()}),
    }
}
