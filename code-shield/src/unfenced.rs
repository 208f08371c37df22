//! Code that stands in a text without a fence: the whole text, an indented block, or lines between sentences.
//!
//! Lines that read like sentences part a text into runs; a run that a parser accepts, and that has the marks of the parser's
//! language, is code. A single line never is.

use std::ops::Range;
use std::time::Instant;

use crate::CodeBlock;
use crate::guess::{FAULTS_OF_PROSE, guess_until};

/// The code in a part of a text that has no fences.
pub(crate) fn unfenced(text: &str, part: Range<usize>, deadline: Instant) -> Vec<CodeBlock> {
    let block = |span: Range<usize>| {
        let code = text.get(span.clone())?;
        // To Python's parser an indented start is an error, and here it is only the block's own indentation.
        let margin = code.len() - code.trim_start_matches([' ', '\t']).len();
        let language = match code.get(..margin) {
            None | Some("") => guess_until(code, FAULTS_OF_PROSE, deadline),
            Some(margin) => {
                let lines = code.split_inclusive('\n').map(|line| line.strip_prefix(margin).unwrap_or(line));
                guess_until(&lines.collect::<String>(), FAULTS_OF_PROSE, deadline)
            }
        }?;
        let closed = span.end < text.len();
        Some(CodeBlock { language: Some(language), tag: String::new(), span, closed })
    };
    if let Some(whole) = block(part.clone()) {
        return vec![whole];
    }
    runs(text, part).into_iter().filter_map(block).collect()
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

/// The runs of lines that are not sentences, from the first to the last line that may be code.
fn runs(text: &str, part: Range<usize>) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let (mut run, mut count) = (0..0, 0);
    for line in lines(text, part) {
        match Line::read(text.get(line.clone()).unwrap_or_default()) {
            Line::Code if count == 0 => (run, count) = (line, 1),
            Line::Code => (run.end, count) = (line.end, count + 1),
            Line::Either => {}
            Line::Sentence => {
                runs.extend((count > 1).then_some(run.clone()));
                count = 0;
            }
        }
    }
    runs.extend((count > 1).then_some(run));
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
        let opens = line.split([' ', '(']).next().is_some_and(|word| OPENERS.contains(&word));
        let marked = line.contains(['(', ')', '{', '}', '[', ']', ';', '=', '<', '>', '_', '"', '@']);
        let sentence = match line.chars().last() {
            Some('.' | '!' | '?') => !marked || words >= 6,
            Some(':') => words >= 2 && !marked && !opens,
            _ => words >= 6 && !marked && !opens,
        };
        if sentence { Line::Sentence } else { Line::Code }
    }
}

/// Words that begin a line of code.
const OPENERS: [&str; 18] = [
    "if", "elif", "for", "while", "with", "class", "except", "case", "match", "async", "def", "import", "from",
    "return", "else", "raise", "assert", "switch",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Language;
    use crate::scan::MAX_TIME;

    fn found(text: &str) -> Vec<(Language, &str)> {
        unfenced(text, 0..text.len(), Instant::now() + MAX_TIME)
            .into_iter()
            .map(|block| (block.language.unwrap(), &text[block.span]))
            .collect()
    }

    const CODE: &str = "import os\n\n# Run it.\ndef run(command):\n    os.system(command)\n    return None\n";

    #[test]
    fn code_between_sentences_is_found() {
        let text = format!("Sure! Save this as run.py:\n\n{CODE}\nThen start it and wait.\n");
        assert_eq!(found(&text), [(Language::Python, CODE)]);
        let indented = format!("    {}\n", CODE.trim_end().replace('\n', "\n    "));
        assert_eq!(
            found(&format!("Like this:\n\n{indented}\nThat is all.\n")),
            [(Language::Python, indented.as_str())]
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
