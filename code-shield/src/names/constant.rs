//! Constant text: what a name is when it is put together from pieces, to be no word that a search finds.

use std::cell::Cell;

use tree_sitter::Node;

use super::Names;

impl<'a> Names<'a> {
    /// The text that an expression always is, as far as a reader can tell without running it.
    ///
    /// Understood are literals and their escapes, `+`, names that hold one value, `join`, `concat`, `lower`, `replace`,
    /// `[::-1]`, `chr`, `fromCharCode` and `fromhex`.
    pub(crate) fn constant(&self, node: Node<'a>) -> Option<String> {
        let steps = Cell::new(MOST_STEPS);
        self.constant_within(node, Depth { left: DEEPEST, steps: &steps })
    }

    fn constant_within(&self, node: Node<'a>, depth: Depth<'_>) -> Option<String> {
        let depth = depth.down()?;
        let text = match node.kind() {
            "string"
            | "encapsed_string"
            | "template_string"
            | "string_literal"
            | "interpreted_string_literal"
            | "raw_string_literal" => self.literal(node, depth)?,
            "parenthesized_expression" | "await_expression" | "argument" => {
                self.constant_within(node.named_child(0)?, depth)?
            }
            "concatenated_string" => {
                let mut cursor = node.walk();
                let pieces = node.named_children(&mut cursor).map(|piece| self.constant_within(piece, depth));
                pieces.collect::<Option<String>>()?
            }
            "binary_operator" | "binary_expression" => self.sum(node, depth)?,
            "identifier" | "variable_name" => match self.values.get(self.text(node))?.as_slice() {
                [value] if !self.unknown.contains(self.text(node)) => self.constant_within(*value, depth)?,
                _ => return None,
            },
            "subscript" => {
                let reversed = self.text(node.child_by_field_name("subscript")?) == "::-1";
                let text = self.constant_within(node.child_by_field_name("value")?, depth)?;
                reversed.then(|| text.chars().rev().collect())?
            }
            "call" | "call_expression" | "method_invocation" | "function_call_expression" => self.made(node, depth)?,
            _ => return None,
        };
        (text.len() <= LONGEST).then_some(text)
    }

    /// The sum of constants; `a + b + c` leans to the left, so that side is walked and not descended.
    fn sum(&self, node: Node<'a>, depth: Depth<'_>) -> Option<String> {
        let mut pieces = Vec::new();
        let mut at = node;
        while matches!(at.kind(), "binary_operator" | "binary_expression") && pieces.len() < LONGEST {
            if !matches!(self.text(at.child_by_field_name("operator")?), "+" | ".") {
                return None;
            }
            pieces.push(self.constant_within(at.child_by_field_name("right")?, depth)?);
            at = at.child_by_field_name("left")?;
        }
        pieces.push(self.constant_within(at, depth)?);
        pieces.reverse();
        Some(pieces.concat())
    }

    fn literal(&self, node: Node<'a>, depth: Depth<'_>) -> Option<String> {
        let mut cursor = node.walk();
        let mut text = String::new();
        let mut parts = 0;
        for part in node.named_children(&mut cursor) {
            parts += 1;
            match part.kind() {
                "string_start" | "string_end" => {}
                "variable_name" => text.push_str(&self.constant_within(part, depth)?),
                "interpolation" | "template_substitution" => {
                    text.push_str(&self.constant_within(part.named_child(0)?, depth)?);
                }
                _ => text.push_str(&unescaped(self.text(part))),
            }
        }
        if parts == 0 {
            return Some(self.text(node).trim_matches(['"', '\'', '`']).to_owned());
        }
        Some(text)
    }

    /// What a call of a function that only makes text gives.
    fn made(&self, node: Node<'a>, depth: Depth<'_>) -> Option<String> {
        let arguments = node.child_by_field_name("arguments")?;
        let (object, name) = match node.child_by_field_name("function") {
            Some(function) => match function.child_by_field_name("object") {
                Some(object) => {
                    let member =
                        function.child_by_field_name("attribute").or(function.child_by_field_name("property"))?;
                    (Some(object), self.text(member))
                }
                None => (None, self.text(function)),
            },
            None => (node.child_by_field_name("object"), self.text(node.child_by_field_name("name")?)),
        };
        let argument = |index| arguments.named_child(index);
        let numbers = || {
            let mut cursor = arguments.walk();
            let letters =
                arguments.named_children(&mut cursor).map(|number| char::from_u32(number_of(self.text(number))?));
            letters.collect::<Option<String>>()
        };
        match (name, object) {
            ("chr", None) => numbers(),
            ("fromCharCode" | "fromCodePoint", Some(object)) if self.text(object) == "String" => numbers(),
            ("fromhex", Some(object)) if self.text(object) == "bytes" => {
                from_hex(&self.constant_within(argument(0)?, depth)?)
            }
            ("strrev", None) => Some(self.constant_within(argument(0)?, depth)?.chars().rev().collect()),
            ("str" | "strtolower" | "trim", None) => self.constant_within(argument(0)?, depth),
            ("decode" | "encode" | "strip" | "trim" | "toString" | "format" | "intern", Some(object)) => {
                self.constant_within(object, depth)
            }
            ("lower" | "toLowerCase", Some(object)) => Some(self.constant_within(object, depth)?.to_lowercase()),
            ("concat", Some(object)) => {
                let mut text = self.constant_within(object, depth)?;
                let mut cursor = arguments.walk();
                for piece in arguments.named_children(&mut cursor) {
                    text.push_str(&self.constant_within(piece, depth)?);
                }
                Some(text)
            }
            ("replace", Some(object)) => {
                let text = self.constant_within(object, depth)?;
                let from = self.constant_within(argument(0)?, depth)?;
                Some(text.replace(&from, &self.constant_within(argument(1)?, depth)?))
            }
            ("join", Some(object)) => {
                // Python asks the separator, JavaScript the list.
                let list = matches!(object.kind(), "array" | "list" | "tuple");
                let (list, between) = if list { (object, argument(0)?) } else { (argument(0)?, object) };
                let between = self.constant_within(between, depth)?;
                if !matches!(list.kind(), "array" | "list" | "tuple") {
                    return None;
                }
                let mut cursor = list.walk();
                let pieces = list.named_children(&mut cursor).map(|piece| self.constant_within(piece, depth));
                Some(pieces.collect::<Option<Vec<_>>>()?.join(&between))
            }
            _ => None,
        }
    }
}

/// How much deeper a question may go, and how much more it may look at.
#[derive(Clone, Copy)]
struct Depth<'c> {
    left: usize,
    steps: &'c Cell<usize>,
}

impl Depth<'_> {
    fn down(self) -> Option<Self> {
        self.steps.set(self.steps.get().checked_sub(1)?);
        Some(Self { left: self.left.checked_sub(1)?, ..self })
    }
}

/// Text with its escapes read: `\x65`, `\u0065`, `\145` and those of one letter.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let (digits, radix) = match after.chars().next() {
            Some('x') => (after.get(1..3), 16),
            Some('u') => (after.get(1..5), 16),
            Some('0'..='7') => (after.get(..3), 8),
            _ => (None, 10),
        };
        let letter = digits.and_then(|digits| char::from_u32(u32::from_str_radix(digits, radix).ok()?));
        if let (Some(letter), Some(digits)) = (letter, digits) {
            out.push(letter);
            rest = after.get(digits.len() + usize::from(radix == 16)..).unwrap_or_default();
        } else {
            let mut characters = after.chars();
            out.extend(characters.next().map(|letter| match letter {
                'n' => '\n',
                't' => '\t',
                other => other,
            }));
            rest = characters.as_str();
        }
    }
    out.push_str(rest);
    out
}

fn number_of(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn from_hex(text: &str) -> Option<String> {
    let digits: Vec<u32> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    digits.chunks_exact(2).map(|pair| char::from_u32(pair.iter().fold(0, |value, digit| value * 16 + digit))).collect()
}

/// How many expressions may stand within one another.
const DEEPEST: usize = 24;

/// How many expressions are looked at for one question.
const MOST_STEPS: usize = 400;

/// A name longer than this is none, in bytes.
const LONGEST: usize = 256;
