//! Fenced code in a text.
//!
//! A fence is a line of three or more `` ` `` or `~`, behind blanks, list marks or quote marks; it closes with a line of at
//! least as many of the same character. A block that is still open ends with the text, so a prefix of an answer is read
//! too.

use std::ops::Range;

use crate::Language;
use crate::guess::guess;
use crate::unfenced::lines;
use crate::view::{View, Writer};

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

/// The code of a block, without the marks of a quote and the margin of a list that stand before each of its lines.
pub(crate) fn unmarked<'v>(view: &'v View<'_>, covered: &Range<usize>, block: &CodeBlock) -> View<'v> {
    let text = view.text();
    let opening = text.get(covered.start..block.span.start).unwrap_or_default();
    let before = opening.get(..opening.find(['`', '~']).unwrap_or_default()).unwrap_or_default();
    let quotes = before.matches('>').count();
    let code = text.get(block.span.clone()).unwrap_or_default();
    let inside = |line: &str| {
        let mut rest = line;
        for _ in 0..quotes {
            let Some(unquoted) = rest.trim_start_matches([' ', '\t']).strip_prefix('>') else { break };
            rest = unquoted.strip_prefix(' ').unwrap_or(unquoted);
        }
        line.len() - rest.len()
    };
    let blanks = |line: &str| {
        let rest = line.get(inside(line)..).unwrap_or_default();
        (!rest.trim().is_empty()).then(|| rest.len() - rest.trim_start_matches([' ', '\t']).len())
    };
    let own = before.rsplit('>').next().unwrap_or_default();
    let own = own.strip_prefix(' ').filter(|_| quotes > 0).unwrap_or(own).len();
    let margin = if own == 0 { 0 } else { code.lines().filter_map(blanks).min().unwrap_or(0).min(own) };
    if quotes == 0 && margin == 0 {
        return view.part(block.span.clone());
    }
    let mut writer = Writer::of(view);
    for line in lines(text, block.span.clone()) {
        let content = text.get(line.clone()).unwrap_or_default();
        let cut = inside(content) + blanks(content).map_or(0, |blanks| blanks.min(margin));
        writer.keep(line.start + cut..line.end);
    }
    writer.finish()
}

/// The fenced blocks of a text, each with all it covers, fences included.
pub(crate) fn fenced(text: &str) -> Vec<(Range<usize>, CodeBlock)> {
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
    fn the_marks_of_quotes_and_lists_are_not_code() {
        for (text, code) in [
            ("> ```go\n> x\n>   y\n>\n> ```\n", "x\n  y\n\n"),
            ("1. so:\n   ```js\n   x\n     y\n   ```\n", "x\n  y\n"),
            ("- ```go\nx\n  y\n```\n", "x\n  y\n"),
            ("> - ```go\n>   x\n>   ```\n", "x\n"),
            ("```go\n  x\n```\n", "  x\n"),
        ] {
            let view = View::whole(text).unwrap();
            let (covered, block) = fenced(text).remove(0);
            assert_eq!(unmarked(&view, &covered, &block).text(), code, "{text}");
        }
    }
}
