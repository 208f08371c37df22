//! Constants, and text with values in it.

use tree_sitter::Node;

use super::{Lower, Task, children};
use crate::flow::program::Op;

impl<'t> Lower<'t> {
    pub(super) fn literal(&mut self, node: Node<'t>) -> bool {
        let text = self.text(node);
        let op = match node.kind() {
            "string" | "template_string" | "concatenated_string" | "interpolated_string_expression" => {
                self.string(node);
                return true;
            }
            "string_literal"
            | "character_literal"
            | "interpreted_string_literal"
            | "raw_string_literal"
            | "rune_literal"
            | "text_block"
            | "verbatim_string_literal"
            | "string_fragment" => Op::Text(unescaped(content(text)).into()),
            "integer" | "number" | "decimal_integer_literal" | "int_literal" | "integer_literal" => {
                text.replace('_', "").trim_end_matches(['L', 'l', 'n']).parse().map_or(Op::Clean, Op::Int)
            }
            "true" | "True" => Op::Bool(true),
            "false" | "False" => Op::Bool(false),
            "boolean_literal" => Op::Bool(text == "true"),
            "none" | "null" | "nil" | "undefined" | "null_literal" => Op::Null,
            "float"
            | "hex_integer_literal"
            | "octal_integer_literal"
            | "binary_integer_literal"
            | "decimal_floating_point_literal"
            | "float_literal"
            | "imaginary_literal"
            | "real_literal"
            | "regex"
            | "class_literal"
            | "instanceof_expression"
            | "ellipsis"
            | "iota"
            | "string_content"
            | "escape_sequence" => Op::Clean,
            kind if kind == "type" || kind.ends_with("_type") => Op::Unknown,
            _ => return false,
        };
        self.code.push(op);
        true
    }

    fn string(&mut self, node: Node<'t>) {
        let parts: Vec<_> = children(node)
            .into_iter()
            .filter(|child| {
                !matches!(
                    child.kind(),
                    "string_start"
                        | "string_end"
                        | "interpolation_start"
                        | "interpolation_brace"
                        | "interpolation_quote"
                )
            })
            .collect();
        let is_value = |child: &Node<'_>| {
            matches!(
                child.kind(),
                "interpolation" | "template_substitution" | "string" | "concatenated_string" | "variable_name"
            )
        };
        if !parts.iter().any(is_value) {
            let text = unescaped(content(self.text(node)));
            self.code.push(Op::Text(text.into()));
            return;
        }
        let count = parts.len();
        let mut tasks = Vec::new();
        for part in parts {
            match part.kind() {
                "interpolation" | "template_substitution" => match children(part).first() {
                    Some(inner) => tasks.push(Task::Expression(*inner)),
                    None => tasks.push(Task::Emit(Op::Clean)),
                },
                _ if is_value(&part) => tasks.push(Task::Expression(part)),
                _ => tasks.push(Task::Emit(Op::Text(unescaped(self.text(part)).into()))),
            }
        }
        tasks.push(Task::Emit(Op::Build(count)));
        self.plan(tasks);
    }
}

/// The text of a literal without its quotes and what stands before them.
fn content(text: &str) -> &str {
    let text = text.trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == '@' || c == '$');
    for quote in ["\"\"\"", "'''", "\"", "'", "`"] {
        if let Some(inner) = text.strip_prefix(quote) {
            return inner.strip_suffix(quote).unwrap_or(inner);
        }
    }
    text
}

/// Text with the escapes of quotes and backslashes taken back; others do not matter here.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}
