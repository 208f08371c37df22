//! Data flow: from where a value comes from outside to where it does harm, within one text.
//!
//! The tree becomes a [`program`], which a [`machine`] runs on values of which only the origin is known: through
//! assignments, fields, collections, strings put together, calls and returns; branches are joined, and those that
//! constants rule out are not taken. What a source, a sink, a sanitizer and a propagator is, documents say ([`form`]):
//! a rule's `flow` block, and `flow/<language>.md` for what all rules of a language share.
//!
//! Limits: no aliases (an object reached by two names is two), loops are run twice, functions that call themselves are
//! not followed the second time, and what the text does not hold shows whatever it was given. Beyond the budget of
//! operations or time the code counts as unreadable.

use std::collections::HashMap;
use std::time::Instant;

use tree_sitter::Node;

use crate::Language;
use crate::lines::Lines;
use crate::names::Names;
use crate::scan::{Issue, Step};

mod form;
mod lower;
mod machine;
mod pattern;
mod program;
mod state;
mod value;

pub(crate) use form::{Form, Spec, World};

use crate::ruleset::Rule;
use program::Span;

/// What following the data of one text came to.
pub(crate) struct Flow {
    pub(crate) issues: Vec<Issue>,
    notes: HashMap<Span, u64>,
    /// For every rule of the language, those that follow data to the same weakness.
    kin: Vec<u64>,
    /// Whether anything comes from outside: then what does not is the program's own.
    has_sources: bool,
    /// Whether the budget ended before the code.
    pub(crate) exhausted: bool,
}

impl Flow {
    /// Whether an argument, or a value that is assigned, is made of constants alone wherever it is reached, or of what
    /// has been made harmless for this rule.
    pub(crate) fn is_harmless(&self, node: Node<'_>, rule: usize) -> bool {
        let inner = node.child_by_field_name("value").filter(|_| node.kind() == "keyword_argument");
        let safe = self.notes.get(&lower::span(inner.unwrap_or(node))).copied().unwrap_or(0);
        let kin = self.kin.get(rule).copied().unwrap_or(0);
        let own = self.has_sources && safe & machine::OWN != 0 && kin != 0;
        !self.exhausted && (safe == u64::MAX || safe & kin != 0 || own)
    }
}

/// Follows the data of a text.
pub(crate) fn follow(
    root: Node<'_>,
    source: &str,
    language: Language,
    names: &Names<'_>,
    (spec, rules): (&Spec, &[Rule]),
    deadline: Instant,
) -> Flow {
    let program = lower::lower(root, source, language);
    let seen = machine::Machine::new(&program, spec, names, language, deadline).run();
    let lines = Lines::read(source);
    let mut issues = Vec::new();
    for hit in seen.hits {
        let Some(rule) = spec.rule_of(hit.rule).and_then(|rule| rules.get(rule)) else { continue };
        let (line, column) = lines.place(hit.at.0 as usize);
        let path = hit.way.into_iter().map(|((start, end), says)| {
            let (line, column) = lines.place(start as usize);
            Step { span: start as usize..end as usize, line, column, says: says.to_string() }
        });
        issues.push(Issue {
            rule: rule.id.clone(),
            cwe: rule.cwe,
            severity: rule.severity,
            message: rule.message.clone(),
            span: hit.at.0 as usize..hit.at.1 as usize,
            line,
            column,
            language,
            path: path.collect(),
        });
    }
    let kin = rules.iter().enumerate().map(|(index, rule)| {
        spec.places()
            .filter(|(other, _)| *other == index || rules.get(*other).is_some_and(|other| other.cwe == rule.cwe))
            .fold(0, |kin, (_, place)| kin | 1 << place)
    });
    Flow { issues, notes: seen.notes, kin: kin.collect(), has_sources: seen.has_sources, exhausted: seen.exhausted }
}

#[cfg(test)]
mod tests;
