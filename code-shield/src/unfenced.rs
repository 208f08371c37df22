//! Code that stands in a text without a fence: the whole text, an indented block, or lines between sentences.
//!
//! Lines that read like sentences part a text into runs; a run that a parser accepts, and that has the marks of the parser's
//! language, is code.

use std::ops::Range;
use std::time::Instant;

use crate::Language;
use crate::find::is_data;
use crate::guess::{FAULTS_OF_PROSE, guess_until};
use crate::view::{View, Writer};

/// A part of a text without fences.
pub(crate) enum Piece<'v> {
    /// Lines of code, without their margin.
    Code(View<'v>, Language),
    /// A line that is no sentence, alone.
    Line(View<'v>),
    /// Anything else.
    Other(View<'v>),
}

/// The parts of a text without fences, in order.
pub(crate) fn pieces<'v>(view: &'v View<'_>, deadline: Instant) -> Vec<Piece<'v>> {
    let whole = 0..view.text().len();
    if let Some(code) = code(view, whole.clone(), deadline) {
        return vec![code];
    }
    let mut pieces = Vec::new();
    let mut at = 0;
    let other = |pieces: &mut Vec<_>, range: Range<usize>| {
        if !range.is_empty() {
            pieces.push(Piece::Other(view.part(range)));
        }
    };
    for (run, count) in runs(view.text(), whole.clone()) {
        let piece =
            if count > 1 { code(view, run.clone(), deadline) } else { Some(Piece::Line(view.part(run.clone()))) };
        if let Some(piece) = piece {
            other(&mut pieces, at..run.start);
            at = run.end;
            pieces.push(piece);
        }
    }
    other(&mut pieces, at..whole.end);
    pieces
}

/// A range of lines, if it is code.
fn code<'v>(view: &'v View<'_>, range: Range<usize>, deadline: Instant) -> Option<Piece<'v>> {
    let text = view.text().get(range.clone())?;
    if is_data(text) || is_said(text) {
        return None;
    }
    let blanks = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let filled = text.lines().filter(|line| !line.trim().is_empty());
    let margin = filled.map(blanks).min().unwrap_or(0);
    let code = if margin == 0 {
        view.part(range)
    } else {
        // To Python's parser an indented start is an error, and here it is only the block's own indentation.
        let mut writer = Writer::of(view);
        for line in lines(view.text(), range) {
            let cut = blanks(view.text().get(line.clone()).unwrap_or_default()).min(margin);
            writer.keep(line.start + cut..line.end);
        }
        writer.finish()
    };
    let language = guess_until(code.text(), FAULTS_OF_PROSE, deadline)?;
    Some(Piece::Code(code, language))
}

/// The lines of a part of a text, each with its end: `\n`, `\r\n`, or `\r` alone, which Markdown also ends a line with.
pub(crate) fn lines(text: &str, part: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut start = part.start;
    std::iter::from_fn(move || {
        let rest = text.get(start..part.end).filter(|rest| !rest.is_empty())?;
        let length = match rest.find(['\n', '\r']) {
            Some(at) if rest.get(at..).is_some_and(|end| end.starts_with("\r\n")) => at + 2,
            Some(at) => at + 1,
            None => rest.len(),
        };
        let line = start..start + length;
        start = line.end;
        Some(line)
    })
}

/// Whether sentences make up most of a text. Parsers are slow with them, so they are not asked.
fn is_said(text: &str) -> bool {
    let (mut code, mut sentences) = (0, 0);
    for line in lines(text, 0..text.len()) {
        match Line::read(text.get(line).unwrap_or_default()) {
            Line::Code => code += 1,
            Line::Either => {}
            Line::Sentence => sentences += 1,
        }
    }
    sentences > code
}

/// The runs of lines that are not sentences, from the first to the last line that may be code, and how many those are.
///
/// A blank line before lines that are indented begins a run, and one behind them ends it, as in Markdown.
fn runs(text: &str, part: Range<usize>) -> Vec<(Range<usize>, usize)> {
    let mut runs = Vec::new();
    let (mut run, mut count) = (0..0, 0);
    let mut was_blank = true;
    let mut indented = false;
    for line in lines(text, part) {
        let content = text.get(line.clone()).unwrap_or_default();
        let blank = content.trim().is_empty();
        let deep = content.starts_with("    ") || content.starts_with('\t');
        if was_blank && !blank {
            // Code that itself has indented blocks behind blank lines goes on; sentences before or after do not.
            if count > 0 && deep != indented && (indented || count == 1) {
                runs.push((run.clone(), count));
                count = 0;
            }
            if count == 0 {
                indented = deep;
            }
        }
        was_blank = blank;
        match Line::read(content) {
            Line::Code if count == 0 => {
                (run, count, indented) = (line, 1, deep);
            }
            Line::Code => (run.end, count) = (line.end, count + 1),
            Line::Either => {}
            Line::Sentence => {
                if count > 0 {
                    runs.push((run.clone(), count));
                }
                count = 0;
            }
        }
    }
    if count > 0 {
        runs.push((run, count));
    }
    runs
}

enum Line {
    Code,
    /// A blank or a comment, which belongs to the code around it.
    Either,
    Sentence,
}

impl Line {
    fn read(line: &str) -> Line {
        let line = line.trim();
        if line.is_empty() || ["#", "//", "/*", "*"].iter().any(|mark| line.starts_with(mark)) {
            // `#include <stdio.h>` is more than a comment.
            return if line.starts_with("#include") { Line::Code } else { Line::Either };
        }
        if ["<pre", "</pre", "<code", "</code"].iter().any(|tag| line.starts_with(tag)) {
            return Line::Sentence;
        }
        let words = line.split_whitespace().count();
        if (words >= 2 && is_item(line, words)) || (words >= 8 && is_english(line)) {
            return Line::Sentence;
        }
        let opens = line.split([' ', '(']).next().is_some_and(|word| OPENERS.contains(&word));
        let marked = line.contains(['(', ')', '{', '}', '[', ']', ';', '=', '<', '>', '_', '"', '@']);
        let sentence = match line.chars().last() {
            Some('.' | '!' | '?') => !marked || words >= 6,
            Some(':') => !marked && !opens,
            _ => words >= 6 && !marked && !opens,
        };
        if sentence { Line::Sentence } else { Line::Code }
    }
}

/// Whether a line goes on like a sentence, and has no text in quotes.
fn is_english(line: &str) -> bool {
    let common = line.split(' ').filter(|word| COMMON.contains(word)).count();
    common >= 2 && !line.contains(['"', '\'', '{', ';']) && !line.ends_with(['(', ',', '\\'])
}

/// Words of which sentences are full, and code is not; Python has the others.
const COMMON: [&str; 28] = [
    "the", "a", "an", "of", "to", "that", "it", "this", "are", "be", "on", "you", "by", "can", "will", "no", "has",
    "been", "have", "now", "which", "when", "its", "your", "their", "was", "also", "we",
];

/// Whether a line is the item of a list: a mark, and words behind it.
fn is_item(line: &str, words: usize) -> bool {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = if rest.len() < line.len() {
        rest.strip_prefix(". ").or_else(|| rest.strip_prefix(") "))
    } else {
        ["- ", "* ", "+ "].iter().find_map(|mark| line.strip_prefix(mark))
    };
    // `- offset` goes on with a sum; `- Offset` and "- `offset`" are said.
    let said = rest.is_some_and(|rest| rest.starts_with(['`', '*', '[']) || rest.starts_with(char::is_uppercase));
    // Something done in code begins with a call or a sign.
    let word = rest.map(|rest| rest.trim_start_matches(['*', '_', '`', '[', '(', '"']));
    (words >= 4 || said)
        && word.is_some_and(|word| {
            word.split(' ')
                .next()
                .is_some_and(|first| first.chars().all(|c| c.is_alphanumeric() || ":*_-`,'.]".contains(c)))
        })
}

/// Words that begin a line of code.
const OPENERS: [&str; 24] = [
    "if", "elif", "for", "while", "with", "class", "except", "case", "match", "async", "def", "import", "from",
    "return", "else", "raise", "assert", "switch", "else:", "try:", "finally:", "except:", "default:", "do:",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Language;
    use crate::scan::MAX_TIME;

    fn found(text: &str) -> Vec<(Language, &str)> {
        let view = View::whole(text).unwrap();
        let pieces = pieces(&view, Instant::now() + MAX_TIME);
        let code = pieces.iter().filter_map(|piece| match piece {
            Piece::Code(code, language) => Some((*language, &text[code.span(&(0..code.text().len()))])),
            _ => None,
        });
        code.collect()
    }

    const CODE: &str = "import os\n\n# Run it.\ndef run(command):\n    os.system(command)\n    return None\n";

    #[test]
    fn code_between_sentences_is_found() {
        let text = format!("Sure! Save this as run.py:\n\n{CODE}\nThen start it and wait.\n");
        assert_eq!(found(&text), [(Language::Python, CODE)]);
        let indented = format!("    {}\n", CODE.trim_end().replace('\n', "\n    "));
        assert_eq!(
            found(&format!("Like this:\n\n{indented}\nThat is all.\n")),
            [(Language::Python, indented.trim_start())]
        );
        assert_eq!(found(&format!("<pre><code>\n{CODE}</code></pre>")), [(Language::Python, CODE)]);
        assert_eq!(found(CODE), [(Language::Python, CODE)]);
    }

    #[test]
    fn sentences_are_not_code() {
        for text in [
            "Do not run this:\nos.system(command) is a function (of the `os` module).\nIt returns None.\n",
            "Steps:\n- import the goods\n- return them\n- let none remain\n\nPrices: 3 = 2 + 1\n",
            "Name | Price\n--- | ---\nTea | 3\nclass A | 4\n",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }
}
