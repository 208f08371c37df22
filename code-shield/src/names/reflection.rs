//! Names that a program asks for as text: `getattr(os, "system")`, `globals()["eval"]`, `__import__("os")`.

use tree_sitter::Node;

use super::Names;
use crate::Language;

/// What an expression that asks for a name in text stands for.
pub(super) enum Reflected<'a> {
    /// A member of an object.
    Member(Node<'a>, String),
    /// A name of the file or of the language.
    Root(String),
    /// A module.
    Module(String),
}

impl<'a> Names<'a> {
    /// What a call or a subscript of Python stands for, if it asks for a constant name.
    pub(super) fn reflected(&self, node: Node<'a>) -> Option<Reflected<'a>> {
        if node.kind() == "subscript" {
            return self.subscripted(node);
        }
        let function = node.child_by_field_name("function")?;
        let arguments = node.child_by_field_name("arguments")?;
        if self.text(function) == "getattr" {
            return Some(Reflected::Member(arguments.named_child(0)?, self.constant(arguments.named_child(1)?)?));
        }
        // `operator.attrgetter("system")(os)`
        if function.kind() == "call" && self.text(function.child_by_field_name("function")?).ends_with("attrgetter") {
            let member = self.constant(function.child_by_field_name("arguments")?.named_child(0)?)?;
            return Some(Reflected::Member(arguments.named_child(0)?, member));
        }
        self.required_module(node).map(Reflected::Module)
    }

    fn subscripted(&self, node: Node<'a>) -> Option<Reflected<'a>> {
        let object = node.child_by_field_name("value")?;
        let name = self.constant(node.child_by_field_name("subscript")?)?;
        match object.kind() {
            "call" => {
                let argument = object.child_by_field_name("arguments")?.named_child(0);
                match (self.text(object.child_by_field_name("function")?), argument) {
                    ("globals" | "locals" | "vars", None) => Some(Reflected::Root(name)),
                    ("vars", Some(object)) => Some(Reflected::Member(object, name)),
                    _ => None,
                }
            }
            "attribute" => {
                let whole = object.child_by_field_name("object")?;
                match self.text(object.child_by_field_name("attribute")?) {
                    "__dict__" => Some(Reflected::Member(whole, name)),
                    "modules" if self.text(whole) == "sys" => Some(Reflected::Module(name)),
                    _ => None,
                }
            }
            "identifier" if self.text(object) == "__builtins__" => Some(Reflected::Root(name)),
            _ => None,
        }
    }

    /// Whether a value is a name that was asked for as text.
    pub(super) fn is_reflection(&self, value: Node<'a>) -> bool {
        match (self.language, value.kind()) {
            (Language::Python, "call" | "subscript") => self.reflected(value).is_some(),
            (_, "subscript_expression") => {
                value.child_by_field_name("index").is_some_and(|index| self.constant(index).is_some())
            }
            _ => false,
        }
    }
}
