//! Every issue in the code of a text, wherever it stands there.

use std::time::{Duration, Instant};

use crate::find::{Finder, Seen};
use crate::lines::Lines;
use crate::scan::{Issue, MAX_TIME, UNREADABLE, scan_until, unreadable};
use crate::spelling::spelled;
use crate::view::View;
use crate::{Language, RuleSet};

/// Every issue in the code of a text; spans, lines and columns are those of the text.
///
/// A block is read in the language of its tag, or, when the tag names none we read or the code is clearly something else,
/// in the one its content shows: a wrong tag hides nothing. Code in a language we do not read has no issues.
///
/// Code is looked for in fences, between sentences, in backquotes, tables, diffs, quotations, strings of JSON, HTML and the
/// commands of a shell. All of it together has two seconds; what is not reached by then is an issue `code.unreadable`.
pub fn scan_text(text: &str, rules: &RuleSet) -> Vec<Issue> {
    scan_text_as(text, None, rules)
}

/// As [`scan_text`], for a text whose untagged code is said to be in a language: used where the content does not tell.
pub fn scan_text_as(text: &str, hint: Option<Language>, rules: &RuleSet) -> Vec<Issue> {
    scan_text_until(text, hint, rules, Instant::now() + MAX_TIME)
}

fn scan_text_until(text: &str, hint: Option<Language>, rules: &RuleSet, deadline: Instant) -> Vec<Issue> {
    let unread = |language: Option<Language>| unreadable(text, language.unwrap_or(Language::Python));
    let Some(view) = View::whole(text) else { return vec![unread(hint)] };
    let mut issues = Vec::new();
    let mut read = |code: &View<'_>, language: Language, deadline: Instant| {
        let began = Instant::now();
        let lost = if rules.compile(language) { began.elapsed() } else { Duration::ZERO };
        let seen = if issues.len() > MOST { Vec::new() } else { scan_view(code, language, rules, deadline + lost) };
        let any = !seen.is_empty();
        issues.extend(seen);
        Seen { any, lost }
    };
    let in_time = Finder::new(hint, deadline, &mut read).find(&view);
    if issues.len() > MOST || (!in_time && issues.iter().all(|issue| issue.rule != UNREADABLE)) {
        // Some code was passed over because there was no time to tell its language; which one can only be supposed.
        issues.push(unread(hint));
    }
    // What can be read in two ways, such as a quotation in a table, is found twice.
    issues.sort_by(|a, b| (a.span.start, a.span.end, &a.rule).cmp(&(b.span.start, b.span.end, &b.rule)));
    issues.dedup_by(|a, b| a.rule == b.rule && a.span.start == b.span.start);
    if !issues.is_empty() {
        let lines = Lines::read(text);
        for issue in &mut issues {
            (issue.line, issue.column) = lines.place(issue.span.start);
            for step in &mut issue.path {
                (step.line, step.column) = lines.place(step.span.start);
            }
        }
    }
    issues
}

/// The issues of code that was taken out of a text; their spans are those of the first text, their lines are not.
pub(crate) fn scan_view(view: &View<'_>, language: Language, rules: &RuleSet, deadline: Instant) -> Vec<Issue> {
    let spelled = if language == Language::Python { spelled(view) } else { None };
    let view = spelled.as_ref().unwrap_or(view);
    let mut issues = scan_until(view.text(), language, rules, deadline);
    for issue in &mut issues {
        issue.span = view.span(&issue.span);
        for step in &mut issue.path {
            step.span = view.span(&step.span);
        }
    }
    issues
}

/// No more issues than this are told of a text.
const MOST: usize = 4_000;

#[cfg(test)]
mod tests;
