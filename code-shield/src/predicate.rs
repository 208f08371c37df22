//! What a query may ask beyond the shape of the tree; the crate's documentation lists it for authors.

use regex::Regex;
use tree_sitter::{Node, QueryPredicate, QueryPredicateArg};

use crate::names::Names;

/// One question about what a capture holds.
pub(crate) struct Predicate {
    capture: u32,
    wanted: bool,
    question: Question,
}

enum Question {
    Literal,
    Array,
    ResolvesTo(Vec<String>),
    BuiltText,
    Says(Regex),
    Around(Regex),
}

impl Predicate {
    pub(crate) fn parse(predicate: &QueryPredicate) -> Result<Predicate, String> {
        let operator = predicate.operator.as_ref();
        let mut arguments = predicate.args.iter();
        let Some(QueryPredicateArg::Capture(capture)) = arguments.next() else {
            return Err(format!("`#{operator}` must be asked of a capture such as `@function`"));
        };
        let mut words = Vec::new();
        for argument in arguments {
            match argument {
                QueryPredicateArg::String(word) => words.push(word.to_string()),
                QueryPredicateArg::Capture(_) => {
                    return Err(format!("`#{operator}` takes one capture and then strings"));
                }
            }
        }
        let (wanted, name) = match operator.strip_prefix("not-") {
            Some(name) => (false, name),
            None => (true, operator),
        };
        let pattern = || match words.as_slice() {
            [pattern] => Regex::new(pattern).map_err(|error| format!("`#{operator}`: {error}")),
            _ => Err(format!("`#{operator}` takes a capture and one regular expression")),
        };
        let question = match name {
            "literal?" if words.is_empty() => Question::Literal,
            "array?" if words.is_empty() => Question::Array,
            "built-text?" if words.is_empty() => Question::BuiltText,
            "resolves-to?" if !words.is_empty() => Question::ResolvesTo(words),
            "says?" => Question::Says(pattern()?),
            "around?" => Question::Around(pattern()?),
            _ => return Err(format!("`#{operator}` with {} strings is not a predicate we have", words.len())),
        };
        Ok(Predicate { capture: *capture, wanted, question })
    }

    /// Whether it only held because something seemed not to be constant that is so after all.
    pub(crate) fn is_moot<'a>(&self, captures: &[(u32, Node<'a>)], is_constant: impl Fn(Node<'a>) -> bool) -> bool {
        let about_constants = match &self.question {
            Question::Literal => !self.wanted,
            Question::BuiltText => self.wanted,
            Question::Array | Question::ResolvesTo(_) | Question::Says(_) | Question::Around(_) => false,
        };
        let mut nodes = captures.iter().filter(|(capture, _)| *capture == self.capture).peekable();
        about_constants && nodes.peek().is_some() && nodes.all(|(_, node)| is_constant(*node))
    }

    /// Whether it holds for every node of its capture.
    pub(crate) fn holds<'a>(&self, captures: &[(u32, Node<'a>)], names: &Names<'a>) -> bool {
        captures.iter().filter(|(capture, _)| *capture == self.capture).all(|(_, node)| {
            let answer = match &self.question {
                Question::Literal => names.is_literal(*node),
                Question::ResolvesTo(paths) => names.resolves_to(*node, paths),
                Question::Array => names.is_array(*node),
                Question::BuiltText => names.is_built_text(*node),
                Question::Says(pattern) => names.says(*node, pattern),
                Question::Around(pattern) => pattern.is_match(names.around(*node)),
            };
            answer == self.wanted
        })
    }
}
