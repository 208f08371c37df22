//! Functions and classes.

use tree_sitter::Node;

use super::{Body, Lower, Task, children, field, span};
use crate::Language;
use crate::flow::program::{Function, Op, Parameter, Place};

impl<'t> Lower<'t> {
    /// A definition as a statement.
    pub(super) fn definition(&mut self, node: Node<'t>) -> bool {
        match node.kind() {
            "decorated_definition" => {
                let marks = self.marks(node);
                let Some(inner) = field(node, &["definition"]) else { return true };
                if inner.kind() == "class_definition" {
                    self.class(inner);
                } else {
                    self.named_function(inner, marks);
                }
            }
            kind if FUNCTIONS.contains(&kind) => {
                let marks = self.marks(node);
                self.named_function(node, marks);
            }
            kind if CLASSES.contains(&kind) => self.class(node),
            _ => return false,
        }
        true
    }

    /// A function as a value.
    pub(super) fn closure(&mut self, node: Node<'t>) -> bool {
        if !CLOSURES.contains(&node.kind()) {
            return false;
        }
        let index = self.function_of(node, "", Vec::new(), None);
        self.code.push(Op::Closure(index));
        true
    }

    fn named_function(&mut self, node: Node<'t>, marks: Vec<&'t str>) {
        let name = field(node, &["name"]).map_or("", |name| self.text(name));
        if node.kind() == "method_declaration" && self.language == Language::Go {
            return self.go_method(node, name);
        }
        let index = self.function_of(node, name, marks, None);
        let place = Place { base: name, way: Vec::new() };
        self.code.extend([Op::Closure(index), Op::Store(place, span(node), None)]);
    }

    fn go_method(&mut self, node: Node<'t>, name: &'t str) {
        let receiver = field(node, &["receiver"]).map(|list| self.parameters(list)).unwrap_or_default();
        let kind = receiver.first().and_then(|first| first.kind).unwrap_or_default().trim_start_matches('*');
        let class = self.class_named(kind).unwrap_or_else(|| self.new_class(kind, None));
        let index = self.function_of(node, name, Vec::new(), Some(class));
        if let Some(function) = self.program.functions.get_mut(index) {
            let first = receiver.into_iter().next().unwrap_or(Parameter::new("_", span(node)));
            function.parameters.insert(0, first);
            function.has_self = true;
        }
        if let Some(class) = self.program.classes.get_mut(class) {
            class.methods.push((name, index));
        }
    }

    fn function_of(&mut self, node: Node<'t>, name: &'t str, marks: Vec<&'t str>, class: Option<usize>) -> usize {
        let parameters = match field(node, &["parameters"]) {
            Some(list) if list.kind() == "identifier" => vec![Parameter::new(self.text(list), span(list))],
            Some(list) => self.parameters(list),
            None => {
                field(node, &["parameter"]).map(|one| Parameter::new(self.text(one), span(one))).into_iter().collect()
            }
        };
        let nodes = field(node, &["body"]).into_iter().collect();
        // A function inside a method sees the method's class.
        let within = class.or(if node.kind() == "lambda_expression" { self.class } else { None });
        let function = Function {
            name,
            at: span(node),
            parameters,
            code: Vec::new(),
            labels: Vec::new(),
            class: within,
            has_self: false,
            marks,
        };
        let is_lambda = matches!(node.kind(), "lambda" | "arrow_function" | "lambda_expression");
        let gives_value =
            is_lambda && field(node, &["body"]).is_some_and(|body| !matches!(body.kind(), "block" | "statement_block"));
        self.function(function, Body { function: 0, nodes, starts_class: false, gives_value })
    }

    fn parameters(&mut self, list: Node<'t>) -> Vec<Parameter<'t>> {
        let mut parameters = Vec::new();
        for node in children(list) {
            let kind = field(node, &["type"]).map(|kind| self.text(kind).trim_start_matches([':', ' ']));
            let mut cursor = node.walk();
            let names: Vec<_> = match node.kind() {
                "parameter_declaration" => node.children_by_field_name("name", &mut cursor).collect(),
                "identifier" => vec![node],
                _ => field(node, &["name", "pattern", "left"]).or_else(|| first_name(node)).into_iter().collect(),
            };
            let rest = matches!(
                node.kind(),
                "list_splat_pattern"
                    | "dictionary_splat_pattern"
                    | "rest_pattern"
                    | "spread_parameter"
                    | "variadic_parameter_declaration"
            );
            let names = if names.is_empty() { vec![node] } else { names };
            for name in names {
                parameters.push(Parameter {
                    name: self.text(name),
                    kind,
                    whole: self.text(node),
                    at: span(node),
                    rest,
                });
            }
        }
        parameters
    }

    fn class(&mut self, node: Node<'t>) {
        let name = field(node, &["name"]).map_or("", |name| self.text(name));
        let base = field(node, &["superclass", "superclasses"])
            .or_else(|| children(node).into_iter().find(|child| child.kind() == "class_heritage"))
            .and_then(first_name)
            .map(|base| self.text(base));
        let Some(body) = field(node, &["body"]) else { return };
        self.class_body(name, base, body);
    }

    pub(super) fn anonymous_class(&mut self, node: Node<'t>, body: Node<'t>) {
        // Its methods are read as functions that somebody calls; the class has no name to find it by.
        let name = self.source.get(node.start_byte()..body.start_byte()).unwrap_or_default();
        self.class_body(name, None, body);
    }

    fn class_body(&mut self, name: &'t str, base: Option<&'t str>, body: Node<'t>) {
        let class = self.new_class(name, base);
        let mut rest = Vec::new();
        for member in children(body) {
            let marks = self.marks(member);
            let inner = if member.kind() == "decorated_definition" {
                field(member, &["definition"]).unwrap_or(member)
            } else {
                member
            };
            let kind = inner.kind();
            if METHODS.contains(&kind) {
                let method = field(inner, &["name"]).map_or("", |name| self.text(name));
                let method = if kind == "constructor_declaration" { "constructor" } else { method };
                self.method(class, inner, method, marks);
            } else if CLASSES.contains(&kind) {
                self.tasks.push(Task::Statement(inner));
            } else if kind == "expression_statement"
                || kind == "field_declaration"
                || kind == "public_field_definition"
                || kind == "field_definition"
                || kind == "static_initializer"
            {
                let names: Vec<&str> = declared(inner).into_iter().map(|name| self.text(name)).collect();
                if let Some(class) = self.program.classes.get_mut(class) {
                    class.fields.extend(names);
                }
                rest.push(inner);
            }
        }
        if rest.is_empty() {
            return;
        }
        let start = Function {
            name: "",
            at: span(body),
            parameters: vec![Parameter::new(self.own_name(), span(body))],
            code: Vec::new(),
            labels: Vec::new(),
            class: Some(class),
            has_self: true,
            marks: Vec::new(),
        };
        let start = self.function(start, Body { function: 0, nodes: rest, starts_class: true, gives_value: false });
        if let Some(class) = self.program.classes.get_mut(class) {
            class.start = Some(start);
        }
    }

    fn method(&mut self, class: usize, node: Node<'t>, name: &'t str, marks: Vec<&'t str>) {
        let is_static = marks.iter().any(|mark| mark.contains("staticmethod"));
        let index = self.function_of(node, name, marks, Some(class));
        let own = self.own_name();
        if let Some(function) = self.program.functions.get_mut(index) {
            if self.language != Language::Python {
                function.parameters.insert(0, Parameter::new(own, function.at));
            }
            function.has_self = !is_static;
        }
        if let Some(class) = self.program.classes.get_mut(class) {
            class.methods.push((name, index));
        }
    }

    /// What stands before a definition: decorators, annotations and other modifiers.
    fn marks(&self, node: Node<'t>) -> Vec<&'t str> {
        let mut marks = Vec::new();
        for child in children(node) {
            match child.kind() {
                "decorator" => marks.push(self.text(child)),
                "modifiers" => marks.extend(children(child).into_iter().map(|mark| self.text(mark))),
                _ => {}
            }
        }
        marks
    }
}

fn first_name(node: Node<'_>) -> Option<Node<'_>> {
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        if matches!(node.kind(), "identifier" | "type_identifier") {
            return Some(node);
        }
        open.extend(children(node).into_iter().rev());
    }
    None
}

/// The names a member of a class declares.
fn declared(node: Node<'_>) -> Vec<Node<'_>> {
    let own = field(node, &["name", "property", "left"]);
    let inner = children(node).into_iter().filter_map(|child| field(child, &["name", "left"]));
    own.into_iter().chain(inner).collect()
}

const FUNCTIONS: [&str; 8] = [
    "function_definition",
    "function_declaration",
    "generator_function_declaration",
    "method_declaration",
    "constructor_declaration",
    "local_function_statement",
    "method_definition",
    "compact_constructor_declaration",
];

const METHODS: [&str; 5] =
    ["function_definition", "method_declaration", "constructor_declaration", "method_definition", "abstract_method"];

const CLOSURES: [&str; 8] = [
    "lambda",
    "lambda_expression",
    "arrow_function",
    "function_expression",
    "function",
    "generator_function",
    "func_literal",
    "anonymous_method_expression",
];

const CLASSES: [&str; 7] = [
    "class_definition",
    "class_declaration",
    "abstract_class_declaration",
    "record_declaration",
    "enum_declaration",
    "class",
    "interface_declaration",
];
