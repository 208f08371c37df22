//! What the names in a file mean: imports, and the values names are given. One pass over the tree, no scopes.
//!
//! Without scopes a name stands for all its uses in the file: it is constant only if it is so everywhere, so two functions
//! that use one name can make a rule speak that could have been silent, and not the other way round.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use tree_sitter::Node;

use crate::Language;
use reflection::Reflected;

mod constant;
mod import;
mod reflection;
mod value;

/// The names of one file.
pub(crate) struct Names<'a> {
    source: &'a str,
    language: Language,
    imports: HashMap<String, String>,
    /// Modules of which everything is imported.
    whole: Vec<&'a str>,
    values: HashMap<&'a str, Vec<Node<'a>>>,
    /// Names that get values we do not see: parameters, loop variables, buffers.
    unknown: HashSet<&'a str>,
    /// Where the functions lie, in the order of their starts.
    functions: Vec<Range<usize>>,
    /// How many nodes lie above the deepest one.
    pub(crate) depth: usize,
    /// Names declared as arrays, which lie on the stack.
    arrays: HashSet<&'a str>,
}

impl<'a> Names<'a> {
    pub(crate) fn read(root: Node<'a>, source: &'a str, language: Language) -> Names<'a> {
        let mut names = Names {
            source,
            language,
            imports: HashMap::new(),
            whole: Vec::new(),
            values: HashMap::new(),
            unknown: HashSet::new(),
            functions: Vec::new(),
            depth: 0,
            arrays: HashSet::new(),
        };
        let mut depth = 0;
        let mut cursor = root.walk();
        loop {
            let node = cursor.node();
            names.import(node);
            names.bind(node);
            if FUNCTIONS.contains(&node.kind()) {
                names.functions.push(node.byte_range());
            }
            if cursor.goto_first_child() {
                depth += 1;
                names.depth = names.depth.max(depth);
                continue;
            }
            while !cursor.goto_next_sibling() {
                if !cursor.goto_parent() {
                    return names;
                }
                depth -= 1;
            }
        }
    }

    /// The path an import gave a name.
    pub(crate) fn imported(&self, name: &str) -> Option<&str> {
        self.imports.get(name).map(String::as_str)
    }

    pub(crate) fn text(&self, node: Node<'_>) -> &'a str {
        self.source.get(node.byte_range()).unwrap_or_default()
    }

    /// The source of the innermost function around a node, or of the whole file.
    pub(crate) fn around(&self, node: Node<'_>) -> &'a str {
        let before = self.functions.partition_point(|function| function.start <= node.start_byte());
        let around = self.functions.iter().take(before).rev().find(|function| function.end >= node.end_byte());
        around.map_or(self.source, |function| self.source.get(function.clone()).unwrap_or_default())
    }

    /// Whether an expression names one of the paths, as far as the imports tell.
    ///
    /// In Go and Java a name that is not imported may be a fragment's, and then the end of a path is enough.
    pub(crate) fn resolves_to(&self, node: Node<'a>, paths: &[String]) -> bool {
        let Some((path, imported)) = self.path(node) else { return false };
        paths.iter().any(|wanted| {
            if let Some(prefix) = wanted.strip_suffix(".*") {
                return path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'));
            }
            let short = match self.language {
                Language::Go => wanted.rsplit('/').next() == Some(&path),
                Language::Java => wanted.strip_suffix(path.as_str()).is_some_and(|rest| rest.ends_with('.')),
                _ => false,
            };
            let whole = || {
                let (module, name) = wanted.rsplit_once('.').unwrap_or_default();
                name == path && self.whole.contains(&module)
            };
            *wanted == path || (!imported && (short || whole()))
        })
    }

    /// The dotted path of a name or a chain of members, and whether its first part was imported.
    fn path(&self, node: Node<'a>) -> Option<(String, bool)> {
        let mut parts: Vec<Cow<'_, str>> = Vec::new();
        let mut hops = 0;
        let mut at = node;
        let (root, imported) = loop {
            match at.kind() {
                "attribute" | "member_expression" | "selector_expression" | "field_access" | "subscript_expression" => {
                    let member =
                        ["attribute", "property", "field", "index"].iter().find_map(|f| at.child_by_field_name(f))?;
                    let computed = at.child_by_field_name("index").and_then(|index| self.constant(index));
                    let plain = || self.text(member).trim_matches(['"', '\'', '`']);
                    parts.push(computed.map_or_else(|| Cow::Borrowed(plain()), Cow::Owned));
                    at = ["object", "operand"].iter().find_map(|field| at.child_by_field_name(field))?;
                }
                "method_invocation" if at.child_by_field_name("object").is_some() && at.id() == node.id() => {
                    parts.push(Cow::Borrowed(self.text(at.child_by_field_name("name")?)));
                    at = at.child_by_field_name("object")?;
                }
                "parenthesized_expression" => at = at.named_child(0)?,
                // `(0, eval)`: the last one counts.
                "sequence_expression" => at = at.named_child(at.named_child_count().checked_sub(1)? as u32)?,
                // Of PHP: `$f = "system"; $f($x)` and `("sys" . "tem")($x)`.
                "variable_name" | "string" | "encapsed_string" | "binary_expression"
                    if self.language == Language::Php =>
                {
                    break (self.constant(at)?.to_ascii_lowercase(), false);
                }
                "name" | "qualified_name" if self.language == Language::Php => {
                    break (self.text(at).trim_start_matches('\\').to_ascii_lowercase(), false);
                }
                "member_access_expression" => {
                    parts.push(Cow::Borrowed(self.text(at.child_by_field_name("name")?)));
                    at = ["expression", "object"].iter().find_map(|field| at.child_by_field_name(field))?;
                }
                "constant" | "scope_resolution" | "predefined_type" | "qualified_name" | "generic_name" => {
                    break (self.text(at).trim_start_matches("::").to_owned(), false);
                }
                "call" if self.language == Language::Ruby => {
                    parts.push(Cow::Borrowed(self.text(at.child_by_field_name("method")?)));
                    match at.child_by_field_name("receiver") {
                        Some(receiver) => at = receiver,
                        None => break (parts.pop()?.into_owned(), false),
                    }
                }
                "identifier"
                | "type_identifier"
                | "scoped_type_identifier"
                | "property_identifier"
                | "package_identifier" => {
                    let name = self.text(at);
                    if let Some(path) = self.imports.get(name) {
                        break (path.clone(), true);
                    }
                    match self.second_name(name) {
                        Some(value) if hops < LONGEST_PATH => {
                            hops += 1;
                            at = value;
                        }
                        _ => break (name.to_owned(), false),
                    }
                }
                "call" | "subscript" if self.language == Language::Python => match self.reflected(at)? {
                    Reflected::Member(object, member) => {
                        parts.push(Cow::Owned(member));
                        at = object;
                    }
                    Reflected::Root(name) => break (self.imports.get(&name).cloned().unwrap_or(name), true),
                    Reflected::Module(name) => break (name, true),
                },
                "call" | "call_expression" => break (self.required_module(at)?, true),
                _ => return None,
            }
            if parts.len() > LONGEST_PATH {
                return None;
            }
        };
        let mut path = if root == "__builtins__" { "builtins".to_owned() } else { root };
        for part in parts.iter().rev() {
            path.push('.');
            path.push_str(part);
        }
        Some((path, imported))
    }

    /// What a name was given and never anything else, if that is a name too: `h` after `h = hashlib.md5`.
    fn second_name(&self, name: &str) -> Option<Node<'a>> {
        match self.values.get(name)?.as_slice() {
            [value]
                if !self.unknown.contains(name) && (MEMBERS.contains(&value.kind()) || self.is_reflection(*value)) =>
            {
                Some(*value)
            }
            _ => None,
        }
    }
}

const LONGEST_PATH: usize = 16;

const MEMBERS: [&str; 4] = ["attribute", "member_expression", "selector_expression", "identifier"];

/// Nodes that are a function in one of the grammars.
const FUNCTIONS: [&str; 16] = [
    "anonymous_function",
    "local_function_statement",
    "method",
    "singleton_method",
    "function_definition",
    "function_declaration",
    "function_expression",
    "function_item",
    "generator_function_declaration",
    "arrow_function",
    "method_definition",
    "method_declaration",
    "constructor_declaration",
    "func_literal",
    "lambda_expression",
    "closure_expression",
];
