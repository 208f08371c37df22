//! A source as its rules should see it: comments amid an expression say nothing.
//!
//! `f(  # to be sure\n  x)` has the comment for its first child, and a rule that asks for the first argument would be told
//! the comment. Such comments become blanks of the same length, so every place stays where it was.

use std::borrow::Cow;
use std::time::Instant;

use tree_sitter::{InputEdit, Tree};

use crate::Language;
use crate::scan::{parse, parse_again};

/// The tree of a source, and the source without comments amid expressions; nothing when it is too long or takes too long.
pub(crate) fn written(source: &str, language: Language, deadline: Instant) -> Option<(Cow<'_, str>, Tree)> {
    let mut tree = parse(source, language, deadline)?;
    if !["#", "//", "/*"].iter().any(|mark| source.contains(mark)) {
        return Some((Cow::Borrowed(source), tree));
    }
    let mut bytes: Option<Vec<u8>> = None;
    let mut edits = Vec::new();
    // Where the cursor is, as it goes; asking a node for its parent would begin at the root.
    let mut around: Vec<&str> = Vec::new();
    let mut cursor = tree.walk();
    loop {
        let node = cursor.node();
        let amid = || around.last().is_some_and(|parent| EXPRESSIONS.contains(parent));
        if node.is_extra() && node.kind().contains("comment") && amid() {
            let bytes = bytes.get_or_insert_with(|| source.as_bytes().to_vec());
            for byte in bytes.get_mut(node.byte_range()).into_iter().flatten() {
                if !matches!(byte, b'\n' | b'\r') {
                    *byte = b' ';
                }
            }
            edits.push(InputEdit {
                start_byte: node.start_byte(),
                old_end_byte: node.end_byte(),
                new_end_byte: node.end_byte(),
                start_position: node.start_position(),
                old_end_position: node.end_position(),
                new_end_position: node.end_position(),
            });
        }
        if cursor.goto_first_child() {
            around.push(node.kind());
            continue;
        }
        while !cursor.goto_next_sibling() {
            around.pop();
            if !cursor.goto_parent() {
                drop(cursor);
                let Some(bytes) = bytes else { return Some((Cow::Borrowed(source), tree)) };
                for edit in &edits {
                    tree.edit(edit);
                }
                let source = String::from_utf8(bytes).ok()?;
                let tree = parse_again(&source, language, Some(&tree), deadline)?;
                return Some((Cow::Owned(source), tree));
            }
        }
    }
}

/// Nodes that are made of expressions, in one of the grammars.
const EXPRESSIONS: [&str; 32] = [
    "argument_list",
    "arguments",
    "array",
    "array_creation_expression",
    "array_initializer",
    "assignment",
    "assignment_expression",
    "attribute",
    "augmented_assignment",
    "binary_expression",
    "binary_operator",
    "call",
    "call_expression",
    "concatenated_string",
    "cast_expression",
    "field_access",
    "initializer_list",
    "keyword_argument",
    "list",
    "literal_value",
    "member_expression",
    "method_invocation",
    "new_expression",
    "object_creation_expression",
    "parenthesized_expression",
    "selector_expression",
    "subscript",
    "subscript_expression",
    "ternary_expression",
    "tuple",
    "variable_declarator",
    "expression_list",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::MAX_TIME;

    #[test]
    fn comments_amid_an_expression_are_blanks() {
        let source = "# one\nf(  # é two\n  x, # three\n)\n";
        let (written, tree) = written(source, Language::Python, Instant::now() + MAX_TIME).unwrap();
        assert_eq!(written, "# one\nf(          \n  x,        \n)\n");
        assert_eq!(written.len(), source.len());
        assert!(!tree.root_node().has_error());
        let argument = tree.root_node().named_descendant_for_byte_range(21, 22).unwrap();
        assert_eq!((argument.kind(), &source[argument.byte_range()]), ("identifier", "x"));
    }
}
