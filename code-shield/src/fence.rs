//! Code inside an answer: fenced blocks first; `unfenced.rs` finds what stands outside them.
//!
//! A fence is a line of three or more `` ` `` or `~`, behind blanks, list marks or quote marks; it closes with a line of at
//! least as many of the same character. A block that is still open ends with the text, so a prefix of an answer is read
//! too. Inside a quote or a list the marks stay part of the code; the parsers live with them.

use std::ops::Range;
use std::time::Instant;

use crate::guess::{FAULTS_OF_CODE, FAULTS_OF_PROSE, faults, guess, guess_until};
use crate::scan::{Issue, MAX_TIME, UNREADABLE, scan_until, unreadable};
use crate::unfenced::{lines, unfenced};
use crate::{Language, RuleSet};

/// A piece of code in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeBlock {
    /// The language its tag names.
    pub language: Option<Language>,
    /// What stands behind the opening fence; empty for code without one.
    pub tag: String,
    /// Where the code lies in the text, without the fences.
    pub span: Range<usize>,
    /// Whether the closing fence was seen.
    pub closed: bool,
}

/// The fenced blocks of a text, in order; when there are none and the whole text is code, the text.
pub fn code_blocks(text: &str) -> Vec<CodeBlock> {
    let blocks: Vec<_> = fenced(text).into_iter().map(|(_, block)| block).collect();
    if !blocks.is_empty() {
        return blocks;
    }
    match guess(text) {
        Some(language) => {
            vec![CodeBlock { language: Some(language), tag: String::new(), span: 0..text.len(), closed: false }]
        }
        None => Vec::new(),
    }
}

/// The code of a text, in order: fenced blocks, and what stands between them when it is clearly code.
fn all_code(text: &str, deadline: Instant) -> Vec<CodeBlock> {
    let mut blocks = Vec::new();
    let mut at = 0;
    for (covered, block) in fenced(text) {
        blocks.extend(unfenced(text, at..covered.start, deadline));
        at = covered.end;
        blocks.push(block);
    }
    blocks.extend(unfenced(text, at..text.len(), deadline));
    blocks
}

/// Every issue in the code of a text; spans, lines and columns are those of the text.
///
/// A block is read in the language of its tag, or, when the tag names none we read or the code is clearly something else,
/// in the one its content shows: a wrong tag hides nothing. Code in a language we do not read has no issues.
pub fn scan_text(text: &str, rules: &RuleSet) -> Vec<Issue> {
    scan_text_as(text, None, rules)
}

/// As [`scan_text`], for a text whose untagged code is said to be in a language: used where the content does not tell.
pub fn scan_text_as(text: &str, hint: Option<Language>, rules: &RuleSet) -> Vec<Issue> {
    scan_text_until(text, hint, rules, Instant::now() + MAX_TIME)
}

fn scan_text_until(text: &str, hint: Option<Language>, rules: &RuleSet, deadline: Instant) -> Vec<Issue> {
    let mut issues = Vec::new();
    // Blocks come in order, so lines are counted once.
    let (mut counted, mut lines) = (0, 0);
    for block in all_code(text, deadline) {
        let code = text.get(block.span.clone()).unwrap_or_default();
        let Some(language) = language_of(&block, code, hint, deadline) else { continue };
        let before = text.get(counted..block.span.start).unwrap_or_default();
        lines += before.matches('\n').count();
        counted = block.span.start;
        for mut issue in scan_until(code, language, rules, deadline) {
            issue.shift(block.span.start, lines);
            issues.push(issue);
        }
    }
    if Instant::now() > deadline && issues.iter().all(|issue| issue.rule != UNREADABLE) {
        // Some code was passed over because there was no time to tell its language; which one can only be supposed.
        issues.push(unreadable(text, hint.unwrap_or(Language::Python)));
    }
    issues
}

fn language_of(block: &CodeBlock, code: &str, hint: Option<Language>, deadline: Instant) -> Option<Language> {
    let shown = || guess_until(code, FAULTS_OF_CODE, deadline);
    match block.language {
        Some(tagged) if faults(code, tagged, deadline) > MISLABELLED => {
            Some(guess_until(code, FAULTS_OF_PROSE, deadline).unwrap_or(tagged))
        }
        Some(tagged) => Some(tagged),
        None if block.tag.is_empty() || VAGUE.contains(&block.tag.to_ascii_lowercase().as_str()) => shown().or(hint),
        None => shown(),
    }
}

/// The fenced blocks of a text, each with all it covers, fences included.
fn fenced(text: &str) -> Vec<(Range<usize>, CodeBlock)> {
    let mut blocks = Vec::new();
    let mut open: Option<(Fence, usize, CodeBlock)> = None;
    for line in lines(text, 0..text.len()) {
        match (&mut open, Fence::read(text.get(line.clone()).unwrap_or_default())) {
            (None, Some((fence, info))) => {
                let language = Language::from_tag(info);
                let block = CodeBlock { language, tag: info.to_owned(), span: line.end..text.len(), closed: false };
                open = Some((fence, line.start, block));
            }
            (Some((opening, _, block)), Some((fence, "")))
                if fence.mark == opening.mark && fence.length >= opening.length =>
            {
                block.span.end = line.start;
                block.closed = true;
                blocks.extend(open.take().map(|(_, start, block)| (start..line.end, block)));
            }
            _ => {}
        }
    }
    blocks.extend(open.map(|(_, start, block)| (start..text.len(), block)));
    blocks
}

#[derive(Clone, Copy)]
struct Fence {
    mark: char,
    length: usize,
}

impl Fence {
    /// The fence on a line, and what stands behind it.
    fn read(line: &str) -> Option<(Fence, &str)> {
        let line = line.trim().trim_start_matches(['>', ' ', '\t']);
        let line = unlisted(line);
        let mark = line.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
        let info = line.trim_start_matches(mark);
        let length = line.len() - info.len();
        let info = info.trim();
        // Three or more backquotes around words on one line are inline code.
        (length >= 3 && !(mark == '`' && info.contains('`'))).then_some((Fence { mark, length }, info))
    }
}

/// A line without the mark of a list item before it.
fn unlisted(line: &str) -> &str {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = if rest.len() < line.len() { rest.strip_prefix(['.', ')']) } else { rest.strip_prefix(['-', '*', '+']) };
    match rest {
        Some(rest) if rest.starts_with(' ') => rest.trim_start(),
        _ => line,
    }
}

/// The part of a block, in percent, that its language may fail to read before its tag is doubted.
const MISLABELLED: usize = 5;

/// Tags that say nothing about the language.
const VAGUE: [&str; 6] = ["text", "txt", "plaintext", "code", "output", "none"];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, &str, bool)> {
        code_blocks(text).into_iter().map(|b| (b.tag.clone(), text.get(b.span).unwrap(), b.closed)).collect()
    }

    #[test]
    fn fences_are_found() {
        for (text, tag, code, closed) in [
            ("a\n```py\nx\n```\nb", "py", "x\n", true),
            ("~~~ c\nx\n```\n~~~~", "c", "x\n```\n", true),
            ("````\n```\nx\n````", "", "```\nx\n", true),
            ("1. so:\n   ```js\n   x\n   ```\n", "js", "   x\n", true),
            ("- ```go\nx\n```\n", "go", "x\n", true),
            ("> ```go\n> x\n> ```\n", "go", "> x\n", true),
            ("```py\nx", "py", "x", false),
            ("```py", "py", "", false),
            ("```py\r\nx\r\n```\r\n", "py", "x\r\n", true),
            ("```py\rx\r```\r", "py", "x\r", true),
        ] {
            assert_eq!(found(text), [(tag.to_owned(), code, closed)], "{text}");
        }
        assert!(found("use ```x``` here, or ``y``").is_empty());
        assert_eq!(found("```\na\n```\n\n```\nb\n```\n").len(), 2);
    }

    #[test]
    fn issues_lie_in_the_text() {
        let rules = RuleSet::built_in().unwrap();
        let text =
            "Hé:\n```python\nx = 1\n  \n```\nand\n```\nimport os\ndef f(a):\n    exec(a)\n    return None\n```\n";
        let issues = scan_text(text, &rules);
        assert_eq!(issues.len(), 1);
        assert_eq!((issues[0].line, issues[0].column), (10, 5));
        assert_eq!(text.get(issues[0].span.clone()), Some("exec(a)"));
    }

    #[test]
    fn code_that_was_not_reached_is_an_issue() {
        let rules = RuleSet::built_in().unwrap();
        let past = Instant::now().checked_sub(std::time::Duration::from_secs(1)).unwrap();
        let issues = scan_text_until("```\nimport os\nexec(a)\n```\n", None, &rules, past);
        assert_eq!(issues.iter().map(|issue| issue.rule.as_str()).collect::<Vec<_>>(), [UNREADABLE]);
    }

    #[test]
    fn a_wrong_tag_hides_nothing() {
        let rules = RuleSet::built_in().unwrap();
        let code = "import os\n\ndef run(a):\n    exec(a)\n    return None\n";
        for (tag, count) in [("python", 1), ("java", 1), ("text", 1), ("bash", 1), ("python3.11", 1)] {
            assert_eq!(scan_text(&format!("```{tag}\n{code}```\n"), &rules).len(), count, "{tag}");
        }
        assert_eq!(scan_text(code, &rules).len(), 1);
        assert_eq!(scan_text("Never call exec(a) on input, and import nothing.", &rules), []);
    }
}
