//! Values: what names are given, what is constant, and what is text put together from parts.

use regex::Regex;
use tree_sitter::Node;

use super::Names;
use crate::Language;

impl<'a> Names<'a> {
    pub(super) fn bind(&mut self, node: Node<'a>) {
        let field = |names: &[&str]| names.iter().find_map(|name| node.child_by_field_name(name));
        match node.kind() {
            "assignment"
            | "augmented_assignment"
            | "named_expression"
            | "variable_declarator"
            | "assignment_expression"
            | "augmented_assignment_expression"
            | "init_declarator"
            | "short_var_declaration"
            | "assignment_statement"
            | "var_spec"
            | "const_spec"
            | "let_declaration"
            | "operator_assignment"
            | "variable_assignment"
            | "const_item"
            | "static_item" => {
                let target = field(&["left", "name", "declarator", "pattern"]);
                // The value of a variable of C# has no name of its own.
                let last = || node.named_child(node.named_child_count().checked_sub(1)? as u32);
                let unnamed = || last().filter(|last| self.language == Language::CSharp && Some(*last) != target);
                let (Some(target), Some(value)) = (target, field(&["right", "value"]).or_else(unnamed)) else { return };
                let adds = field(&["operator"]).is_some_and(|operator| self.text(operator) != "=");
                self.give(target, if adds { node } else { value });
            }
            "parameters" | "lambda_parameters" | "formal_parameters" | "method_parameters" | "block_parameters" => {
                let mut cursor = node.walk();
                for parameter in node.named_children(&mut cursor).collect::<Vec<_>>() {
                    self.spoil(
                        ["name", "pattern"].iter().find_map(|f| parameter.child_by_field_name(f)).unwrap_or(parameter),
                    );
                }
            }
            // In PHP the names stand behind what is gone through, and before the body.
            "foreach_statement" if self.language == Language::Php => {
                let mut cursor = node.walk();
                for child in node.named_children(&mut cursor).skip(1).collect::<Vec<_>>() {
                    if node.child_by_field_name("body") != Some(child) {
                        self.spoil(child);
                    }
                }
            }
            "for_statement" | "for_in_clause" | "for_in_statement" | "range_clause" | "foreach_statement" => {
                if let Some(left) = field(&["left"]) {
                    self.spoil(left);
                }
            }
            "array_declarator" => {
                if let Some(name) = field(&["declarator"]) {
                    self.spoil(name);
                    self.arrays.insert(self.text(name));
                }
            }
            "parameter_declaration" | "formal_parameter" | "parameter" | "for_range_loop" => {
                if let Some(name) = field(&["name", "declarator", "pattern"]) {
                    self.spoil(name);
                }
            }
            _ => {}
        }
    }

    fn give(&mut self, target: Node<'a>, value: Node<'a>) {
        let target = inner(target);
        if VARIABLES.contains(&target.kind()) {
            self.values.entry(self.text(target)).or_default().push(inner(value));
        } else {
            self.spoil(target);
        }
    }

    fn spoil(&mut self, target: Node<'a>) {
        let target = inner(target);
        let mut cursor = target.walk();
        let inside: Vec<_> = target.named_children(&mut cursor).chain([target]).collect();
        for node in inside.into_iter().filter(|node| VARIABLES.contains(&node.kind())) {
            self.unknown.insert(self.text(node));
        }
    }

    /// Whether an expression is constant, through names that only hold constants.
    pub(crate) fn is_literal(&self, node: Node<'a>) -> bool {
        let mut stack = vec![node];
        let mut budget = BUDGET;
        while let Some(node) = stack.pop() {
            budget -= 1;
            if budget == 0 {
                return false;
            }
            let kind = node.kind();
            if VARIABLES.contains(&kind) {
                let name = self.text(node);
                match self.values.get(name) {
                    Some(values) if !self.unknown.contains(name) => stack.extend(values),
                    _ => return false,
                }
            } else if let ("keyword_argument" | "cast_expression" | "array_creation_expression", Some(value)) =
                (kind, node.child_by_field_name("value"))
            {
                stack.push(value);
            } else if kind == "name" && self.language == Language::Php {
                // A constant.
            } else if kind == "type_conversion_expression" || kind == "composite_literal" {
                let Some(value) = node.child_by_field_name("operand").or_else(|| node.child_by_field_name("body"))
                else {
                    return false;
                };
                stack.push(value);
            } else if CONTAINERS.contains(&kind) {
                let mut cursor = node.walk();
                stack.extend(node.named_children(&mut cursor).filter(|child| !child.is_extra()));
            } else if !LITERALS.contains(&kind) {
                return false;
            }
        }
        true
    }

    /// Whether a name is declared as an array.
    pub(crate) fn is_array(&self, node: Node<'a>) -> bool {
        self.arrays.contains(self.text(node))
    }

    /// Whether an expression is text put together from parts of which at least one is not constant.
    pub(crate) fn is_built_text(&self, node: Node<'a>) -> bool {
        self.follow(node).into_iter().any(|node| self.is_built_here(node))
    }

    /// Whether the source of an expression, or of a value its name was given, matches.
    pub(crate) fn says(&self, node: Node<'a>, pattern: &Regex) -> bool {
        self.follow(node).into_iter().any(|node| pattern.is_match(self.text(node)))
    }

    /// The node and, for a name, the values it was given, through a few names.
    fn follow(&self, node: Node<'a>) -> Vec<Node<'a>> {
        let mut found = vec![node];
        let mut at = 0;
        while let Some(node) = found.get(at).copied().filter(|_| found.len() < BUDGET) {
            if matches!(node.kind(), "parenthesized_expression" | "reference_expression" | "keyword_argument") {
                found.extend(node.child_by_field_name("value").or_else(|| node.named_child(0)));
            }
            if matches!(node.kind(), "string" | "encapsed_string" | "binary_expression")
                && self.language == Language::Php
            {
                let mut cursor = node.walk();
                found.extend(node.named_children(&mut cursor).filter(|child| VARIABLES.contains(&child.kind())));
            }
            if VARIABLES.contains(&node.kind()) {
                let values = self.values.get(self.text(node)).into_iter().flatten();
                let new: Vec<_> = values.filter(|value| !found.contains(value)).copied().collect();
                found.extend(new);
            }
            at += 1;
        }
        found
    }

    fn is_built_here(&self, node: Node<'a>) -> bool {
        match node.kind() {
            "string"
            | "template_string"
            | "concatenated_string"
            | "encapsed_string"
            | "heredoc"
            | "heredoc_body"
            | "interpolated_string_expression"
            | "concatenation"
            | "subshell" => !self.is_literal(node),
            "binary_operator" | "binary_expression" | "binary" => {
                let operator = node.child_by_field_name("operator").map_or("", |operator| self.text(operator));
                matches!(operator, "+" | "%" | "." | "<<")
                    && !(operator == "%" && only_numbers(self.text(node)))
                    && !self.is_literal(node)
                    && QUOTES.iter().any(|q| self.text(node).contains(*q))
            }
            "augmented_assignment"
            | "augmented_assignment_expression"
            | "operator_assignment"
            | "assignment_expression"
            | "assignment_statement" => {
                node.child_by_field_name("right").is_some_and(|right| !self.is_literal(inner(right)))
            }
            "call"
            | "call_expression"
            | "method_invocation"
            | "macro_invocation"
            | "function_call_expression"
            | "invocation_expression" => {
                let name =
                    ["function", "name", "macro", "method"].iter().find_map(|field| node.child_by_field_name(field));
                let name = name.map_or("", |name| self.text(name));
                let formats = FORMATTERS.contains(&name)
                    || [".format", ".concat", "::format", ".Sprintf", ".Sprint", ".Format", ".Concat", ".AppendFormat"]
                        .iter()
                        .any(|end| name.ends_with(end));
                if node.kind() == "macro_invocation" {
                    return formats && (self.text(node).contains(',') || self.text(node).contains('{'));
                }
                formats
                    && !only_numbers(self.text(node))
                    && node.child_by_field_name("arguments").is_some_and(|list| {
                        let mut cursor = list.walk();
                        list.named_children(&mut cursor).any(|argument| !self.is_literal(argument))
                    })
            }
            _ => false,
        }
    }
}

/// Whether a format puts in nothing but numbers, which cannot end a statement or a command.
fn only_numbers(format: &str) -> bool {
    let mut verbs =
        format.split('%').skip(1).map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.'));
    !format.contains('{')
        && format.contains("%d")
        && verbs.all(|verb| verb.starts_with('d') || !verb.starts_with(char::is_alphabetic))
}

/// A target or value without the wrappers that grammars put around it.
fn inner(node: Node<'_>) -> Node<'_> {
    let mut at = node;
    loop {
        let next = match at.kind() {
            "expression_list" if at.named_child_count() == 1 => at.named_child(0),
            "pointer_declarator" | "array_declarator" | "init_declarator" => at.child_by_field_name("declarator"),
            "reference_declarator" | "mut_pattern" | "await_expression" | "typed_parameter" => at.named_child(0),
            _ => None,
        };
        match next {
            Some(next) => at = next,
            None => return at,
        }
    }
}

/// How many nodes one question may look at.
const BUDGET: usize = 400;

const QUOTES: [char; 3] = ['"', '\'', '`'];

const FORMATTERS: [&str; 9] =
    ["format", "format!", "Sprintf", "concat", "formatted", "format_args", "sprintf", "vsprintf", "implode"];

/// Nodes that are the name of a variable.
const VARIABLES: [&str; 4] = ["identifier", "variable_name", "instance_variable", "global_variable"];

const CONTAINERS: [&str; 52] = [
    "argument",
    "array_creation_expression",
    "array_element_initializer",
    "bare_string",
    "binary",
    "command_name",
    "concatenation",
    "encapsed_string",
    "hash",
    "heredoc",
    "heredoc_body",
    "implicit_array_creation_expression",
    "initializer_expression",
    "interpolated_string_expression",
    "nowdoc",
    "simple_expansion",
    "string_array",
    "subshell",
    "unary",
    "unary_op_expression",
    "expansion",
    "literal_value",
    "literal_element",
    "keyed_element",
    "string",
    "template_string",
    "concatenated_string",
    "string_content",
    "interpolation",
    "template_substitution",
    "binary_operator",
    "binary_expression",
    "unary_operator",
    "unary_expression",
    "not_operator",
    "boolean_operator",
    "parenthesized_expression",
    "list",
    "tuple",
    "set",
    "array",
    "array_expression",
    "expression_list",
    "array_initializer",
    "initializer_list",
    "dictionary",
    "pair",
    "reference_expression",
    "tuple_expression",
    "object",
    "interpreted_string_literal",
    "raw_string_literal",
];

const LITERALS: [&str; 68] = [
    "ansi_c_string",
    "boolean",
    "class_constant_access_expression",
    "constant",
    "hash_key_symbol",
    "heredoc_beginning",
    "heredoc_content",
    "heredoc_end",
    "heredoc_start",
    "interpolation_brace",
    "interpolation_quote",
    "interpolation_start",
    "nowdoc_body",
    "nowdoc_string",
    "raw_string",
    "real_literal",
    "simple_symbol",
    "string_literal_encoding",
    "typeof_expression",
    "verbatim_string_literal",
    "word",
    "integer",
    "float",
    "true",
    "false",
    "none",
    "null",
    "nil",
    "undefined",
    "number",
    "number_literal",
    "string_fragment",
    "string_start",
    "string_end",
    "escape_sequence",
    "escape_interpolation",
    "string_literal",
    "string_literal_content",
    "system_lib_string",
    "char_literal",
    "character_literal",
    "concatenated_string_literal",
    "text_block",
    "decimal_integer_literal",
    "hex_integer_literal",
    "octal_integer_literal",
    "binary_integer_literal",
    "decimal_floating_point_literal",
    "null_literal",
    "boolean_literal",
    "integer_literal",
    "float_literal",
    "int_literal",
    "rune_literal",
    "imaginary_literal",
    "interpreted_string_literal_content",
    "raw_string_literal_content",
    "raw_string_content",
    "raw_string_delimiter",
    "NULL",
    "nullptr",
    "property_identifier",
    "regex",
    "iota",
    "format_specifier",
    "type_conversion",
    "ellipsis",
    "class_literal",
];
