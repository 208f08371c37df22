//! What can be assigned to.

use tree_sitter::Node;

use super::{Lower, field};
use crate::Language;
use crate::flow::program::{Hop, Place};

impl<'t> Lower<'t> {
    /// The place an expression names.
    pub(super) fn place(&self, node: Node<'t>) -> Option<Place<'t>> {
        let mut way = Vec::new();
        let mut at = node;
        loop {
            match at.kind() {
                "identifier"
                | "this"
                | "self"
                | "shorthand_property_identifier_pattern"
                | "variable_name"
                | "field_identifier"
                | "package_identifier" => {
                    let name = self.text(at);
                    let base = if self.is_field(name) {
                        way.push(Hop::Member(name));
                        self.own_name()
                    } else {
                        name
                    };
                    way.reverse();
                    return Some(Place { base, way });
                }
                kind if MEMBERS.contains(&kind) => {
                    way.push(Hop::Member(self.text(member_name(at)?)));
                    at = member_object(at)?;
                }
                kind if INDEXES.contains(&kind) => {
                    way.push(self.key(field(at, &["subscript", "index"])));
                    at = field(at, &["value", "object", "array", "operand", "expression"])?;
                }
                "parenthesized_expression" | "expression_list" | "non_null_expression" => at = at.named_child(0)?,
                "unary_expression" => at = field(at, &["operand", "argument"])?,
                "cast_expression" | "type_assertion_expression" => at = field(at, &["value", "operand"])?,
                // What a builder returns is itself.
                "method_invocation" if FLUENT.contains(&self.text(at.child_by_field_name("name")?)) => {
                    at = at.child_by_field_name("object")?;
                }
                _ => return None,
            }
            if way.len() > LONGEST {
                return None;
            }
        }
    }

    fn key(&self, node: Option<Node<'t>>) -> Hop<'t> {
        let Some(node) = node else { return Hop::Any };
        match node.kind() {
            "identifier" => Hop::Name(self.text(node)),
            "string"
            | "string_literal"
            | "interpreted_string_literal"
            | "integer"
            | "number"
            | "decimal_integer_literal"
            | "int_literal" => Hop::Key(self.text(node).trim_matches(['"', '\'', '`']).into()),
            _ => Hop::Any,
        }
    }

    /// Whether a bare name is a field of the class around.
    pub(super) fn is_field(&self, name: &str) -> bool {
        matches!(self.language, Language::Java)
            && !self.locals.contains(name)
            && self.class.and_then(|class| self.program.classes.get(class)).is_some_and(|c| c.fields.contains(name))
    }

    pub(super) fn own_name(&self) -> &'static str {
        if self.language == Language::Python { "self" } else { "this" }
    }
}

pub(super) fn member_name(node: Node<'_>) -> Option<Node<'_>> {
    field(node, &["attribute", "property", "field", "name"])
}

pub(super) fn member_object(node: Node<'_>) -> Option<Node<'_>> {
    field(node, &["object", "operand", "expression", "argument", "value"])
}

const LONGEST: usize = 16;
const FLUENT: [&str; 3] = ["append", "insert", "replace"];
pub(super) const MEMBERS: [&str; 5] =
    ["attribute", "member_expression", "field_access", "selector_expression", "member_access_expression"];
pub(super) const INDEXES: [&str; 5] =
    ["subscript", "subscript_expression", "array_access", "index_expression", "element_access_expression"];
