//! Reading one piece of code: parse, ask every rule at once, report.
//!
//! Limits: [`MAX_SOURCE`] bytes, [`MAX_TIME`] for parsing and matching together, [`MAX_MATCHES`] open matches,
//! [`MAX_DEPTH`] levels. Beyond any of them there is an issue `code.unreadable`, besides what was seen until then. Broken code is read as far as it can be.

use std::cell::OnceCell;
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

use tree_sitter::{Node, ParseOptions, Parser, QueryCursor, QueryCursorOptions, StreamingIterator, Tree};

use crate::answer::scan_view;
use crate::flow;
use crate::names::Names;
use crate::readable::readable;
use crate::ruleset::{Compiled, Rule};
use crate::view::View;
use crate::written::written;
use crate::{Language, RuleSet, Severity};

/// Something a rule saw in code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The rule's id: `code.python.exec-use`.
    pub rule: String,
    /// The number of the weakness in the Common Weakness Enumeration, when the rule names one.
    pub cwe: Option<u16>,
    /// How much it matters.
    pub severity: Severity,
    /// One sentence for the reader of a report.
    pub message: String,
    /// The bytes it lies on.
    pub span: Range<usize>,
    /// The line it starts on, from 1.
    pub line: usize,
    /// The character of the line it starts at, from 1.
    pub column: usize,
    /// The language the code was read as.
    pub language: Language,
    /// How a value from outside comes here, the source first; empty when the rule does not follow data.
    pub path: Vec<Step>,
}

/// One place on the way of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The bytes it lies on.
    pub span: Range<usize>,
    /// The line it starts on, from 1.
    pub line: usize,
    /// The character of the line it starts at, from 1.
    pub column: usize,
    /// What happens there: "`name` takes it".
    pub says: String,
}

/// Every issue of a piece of code, in the order of where it starts.
pub fn scan(source: &str, language: Language, rules: &RuleSet) -> Vec<Issue> {
    // The time it takes to compile the rules, once, is not the source's.
    rules.compile(language);
    let deadline = Instant::now() + MAX_TIME;
    match View::whole(source) {
        Some(view) => scan_view(&view, language, rules, deadline),
        None => vec![unreadable(source, language)],
    }
}

pub(crate) fn scan_until(source: &str, language: Language, rules: &RuleSet, deadline: Instant) -> Vec<Issue> {
    let Some(compiled) = rules.compiled(language) else { return vec![unreadable(source, language)] };
    let Some((source, tree)) = written(source, language, deadline) else { return vec![unreadable(source, language)] };
    let mut issues = matches(&source, language, compiled, &tree, deadline);
    // Of two that say the same, the one that shows the way stays.
    let order = |issue: &Issue| (issue.span.start, issue.path.is_empty(), issue.span.end);
    issues.sort_by(|a, b| (&a.rule, order(a)).cmp(&(&b.rule, order(b))));
    issues.dedup_by(|a, b| a.rule == b.rule && a.span.start == b.span.start);
    issues.sort_by(|a, b| (a.span.start, a.span.end, &a.rule).cmp(&(b.span.start, b.span.end, &b.rule)));
    issues
}

/// The tree of a piece of code, or nothing when it is too long or takes too long.
pub(crate) fn parse(source: &str, language: Language, deadline: Instant) -> Option<Tree> {
    parse_again(source, language, None, deadline)
}

/// As [`parse`], with the tree from before an edit.
pub(crate) fn parse_again(source: &str, language: Language, old: Option<&Tree>, deadline: Instant) -> Option<Tree> {
    if source.len() > MAX_SOURCE {
        return None;
    }
    let changed = readable(source, language);
    let source = changed.as_deref().unwrap_or(source);
    let mut parser = Parser::new();
    parser.set_language(&language.grammar()?).ok()?;
    let mut progress =
        |_: &_| if Instant::now() > deadline { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let options = ParseOptions::new().progress_callback(&mut progress);
    parser.parse_with_options(&mut |at, _| source.as_bytes().get(at..).unwrap_or_default(), old, Some(options))
}

fn matches(source: &str, language: Language, compiled: &Compiled, tree: &Tree, deadline: Instant) -> Vec<Issue> {
    let names = Names::read(tree.root_node(), source, language);
    let mut late = false;
    let mut progress = |_: &_| {
        late = Instant::now() > deadline;
        if late { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut cursor = QueryCursor::new();
    cursor.set_match_limit(MAX_MATCHES);
    let follow =
        || flow::follow(tree.root_node(), source, language, &names, (&compiled.flow, &compiled.rules), deadline);
    // Following data is done where there is a source, or where a rule waits for what it says about a value.
    let flow = OnceCell::new();
    if compiled.flow.may_speak(source) {
        let _ = flow.set(follow());
    }
    let is_harmless = |node, rule| !compiled.flow.is_empty() && flow.get_or_init(follow).is_harmless(node, rule);
    let mut issues = Vec::new();
    let mut full = false;
    let options = QueryCursorOptions::new().progress_callback(&mut progress);
    let mut found = cursor.matches_with_options(&compiled.query, tree.root_node(), source.as_bytes(), options);
    while let Some(matched) = found.next() {
        let captures: Vec<_> = matched.captures().iter().map(|capture| (capture.index, capture.node)).collect();
        let pattern = matched.pattern_index;
        let Some(index) = compiled.rule_of.get(pattern).copied() else { continue };
        let rule = compiled.rules.get(index);
        let node = captures.iter().find(|(capture, _)| *capture == compiled.issue_capture).map(|(_, node)| *node);
        let (Some(rule), Some(node)) = (rule, node) else { continue };
        let holds = |pattern: usize| {
            compiled.predicates.get(pattern).is_some_and(|all| {
                all.iter().all(|one| one.holds(&captures, &names))
                    && !all.iter().any(|one| one.is_moot(&captures, |node| is_harmless(node, index)))
            })
        };
        if holds(pattern) {
            issues.push(issue(rule, node, source, language));
        }
        if issues.len() >= MAX_ISSUES || Instant::now() > deadline {
            full = true;
            break;
        }
    }
    drop(found);
    if let Some(flow) = flow.into_inner() {
        full |= flow.exhausted;
        issues.extend(flow.issues);
    }
    if late || full || cursor.did_exceed_match_limit() || names.depth > MAX_DEPTH {
        issues.push(unreadable(source, language));
    }
    issues
}

fn issue(rule: &Rule, node: Node<'_>, source: &str, language: Language) -> Issue {
    let start = node.start_position();
    let line_start = node.start_byte().saturating_sub(start.column);
    let before = source.get(line_start..node.start_byte()).unwrap_or_default();
    Issue {
        rule: rule.id.clone(),
        cwe: rule.cwe,
        severity: rule.severity,
        message: rule.message.clone(),
        span: node.byte_range(),
        line: start.row + 1,
        column: before.chars().count() + 1,
        language,
        path: Vec::new(),
    }
}

pub(crate) fn unreadable(source: &str, language: Language) -> Issue {
    Issue {
        rule: UNREADABLE.to_owned(),
        cwe: None,
        severity: Severity::Error,
        message: "the code is longer or takes longer than the limits allow".to_owned(),
        span: 0..source.len(),
        line: 1,
        column: 1,
        language,
        path: Vec::new(),
    }
}

/// The id of the issue that stands for code that could not be read to its end.
pub(crate) const UNREADABLE: &str = "code.unreadable";

/// Bytes of one piece of code.
pub(crate) const MAX_SOURCE: usize = 1 << 20;

/// For one piece of code, or all pieces in one text.
pub(crate) const MAX_TIME: Duration = Duration::from_secs(2);

const MAX_MATCHES: u32 = 16_384;
const MAX_ISSUES: usize = 1_000;

/// Nodes above one another. Tree-sitter's matcher loses sight of what lies 65,536 deep, without a word.
const MAX_DEPTH: usize = 32_768;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    static RULES: LazyLock<RuleSet> = LazyLock::new(|| RuleSet::built_in().unwrap());

    #[test]
    fn a_place_is_counted_in_lines_and_characters() {
        let issues = scan("x = 1\né = 'é'; exec(input())\n", Language::Python, &RULES);
        assert_eq!((issues[0].line, issues[0].column), (2, 10));
        assert_eq!(issues[0].cwe, Some(95));
    }

    #[test]
    fn over_the_limit_is_an_issue() {
        let long = "x = 1\n".repeat(MAX_SOURCE / 6 + 1);
        assert_eq!(scan(&long, Language::Python, &RULES)[0].rule, UNREADABLE);
        let past = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        let code = "exec(input())\n".repeat(2_000);
        assert_eq!(scan_until(&code, Language::Python, &RULES, past).last().unwrap().rule, UNREADABLE);
    }

    #[test]
    fn deep_code_is_read_without_recursion() {
        for &language in Language::ALL {
            let deep = format!("{}1{}", "(".repeat(20_000), ")".repeat(20_000));
            // A stack that overflowed, or a scan without an end, would end the test.
            let _ = scan(&deep, language, &RULES);
            let _ = scan(&deep.replacen('1', "rand()+Math.random()+random.random()", 1), language, &RULES);
        }
    }

    #[test]
    fn what_is_hidden_too_deep_is_an_issue() {
        let hidden =
            |depth: usize| format!("import pickle\nx = {}pickle.loads(a){}", "(".repeat(depth), ")".repeat(depth));
        let rules = |depth| {
            scan(&hidden(depth), Language::Python, &RULES).into_iter().map(|issue| issue.rule).collect::<Vec<_>>()
        };
        assert_eq!(rules(1_000), ["code.python.pickle-load"]);
        assert_eq!(rules(100_000), [UNREADABLE]);
    }

    #[test]
    fn a_name_is_followed_through_imports_and_second_names() {
        for (code, count) in [
            ("from os import *\nsystem(c)", 1),
            ("from shutil import *\nsystem(c)", 0),
            ("import os\nrun = os.system\nrun(c)", 1),
            ("import os\nrun = os.system\nrun = print\nrun(c)", 0),
            ("import os\ngetattr(os, 'system')(c)", 1),
            ("import os\ngetattr(os, name)(c)", 0),
            ("import os\ngetattr(os, 'sys' + 'tem')(c)", 1),
            ("import os\ngetattr(os, ''.join(['sys', 'tem']))(c)", 1),
            ("import os\nname = 'metsys'[::-1]\nrun = getattr(os, name)\nrun(c)", 1),
            ("import os\nvars(os)['sys' 'tem'](c)", 1),
            ("import os\nos.__dict__['\\x73ystem'](c)", 1),
            ("__import__('o' + 's').system(c)", 1),
            ("import importlib\nm = importlib.import_module('o' + 's')\nm.system(c)", 1),
            ("import sys\nsys.modules['os'].system(c)", 1),
            ("globals()['ev' + 'al'](c)", 1),
            ("getattr(__builtins__, 'ex' + f'{\"ec\"}')(c)", 1),
            ("__builtins__['EVAL'.lower()](c)", 1),
            ("run = eval\nrun(c)", 1),
            ("import os\nfrom operator import attrgetter\nattrgetter(chr(115) + 'ystem')(os)(c)", 1),
            ("tables['ev' + 'al'](c)", 0),
            ("a = a.b\nb = a.b\na(c)", 0),
        ] {
            assert_eq!(scan(code, Language::Python, &RULES).len(), count, "{code}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_text_can_be_read(source in "(?s).{0,200}|[\\[\\](){}'\"`,.:;=+a-c \n]{0,200}|(<<[-~]?['\"]?[A-Z]{1,9}|[{}$('\")]|\n|\\PC){0,60}", which in 0..Language::ALL.len()) {
            for issue in scan(&source, Language::ALL[which], &RULES) {
                prop_assert!(source.get(issue.span.clone()).is_some());
            }
        }
    }
}
