//! Code within a line of prose: between backquotes, and in the cells of a table.

use std::ops::Range;

use crate::unfenced::lines;
use crate::view::{View, Writer};

/// Gives everything between one to three backquotes on a line, and every cell of a table.
///
/// What is opened and not closed lasts to the end of its line, for the answer may not be complete yet.
pub(super) fn spans(view: &View<'_>, each: &mut dyn FnMut(View<'_>)) {
    for line in lines(view.text(), 0..view.text().len()) {
        let text = view.text().get(line.clone()).unwrap_or_default();
        if text.contains('`') {
            for span in ticked(text.trim_end()) {
                each(view.part(line.start + span.start..line.start + span.end));
            }
        } else if text.trim_start().starts_with('|') {
            cells(view, line, each);
        }
    }
}

fn ticked(line: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    // Marks of which no second one is left on the line, so that none is looked for twice.
    let mut lonely = [false; 4];
    let mut at = 0;
    while let Some(open) = line.get(at..).and_then(|rest| rest.find('`')).map(|found| at + found) {
        let rest = line.get(open..).unwrap_or_default();
        let marks = rest.len() - rest.trim_start_matches('`').len();
        let start = open + marks;
        at = start;
        let Some(lonely) = lonely.get_mut(marks).filter(|lonely| !**lonely) else { continue };
        if let Some(end) = closing(line, start, marks) {
            spans.push(start..end);
            at = end + marks;
        } else {
            *lonely = true;
            spans.push(start..line.len());
        }
    }
    spans
}

/// Where the next run of exactly so many backquotes begins.
fn closing(line: &str, from: usize, marks: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let found = at + line.get(at..)?.find('`')?;
        let rest = line.get(found..)?;
        let run = rest.len() - rest.trim_start_matches('`').len();
        if run == marks {
            return Some(found);
        }
        at = found + run;
    }
}

fn cells(view: &View<'_>, line: Range<usize>, each: &mut dyn FnMut(View<'_>)) {
    let text = view.text().get(line.clone()).unwrap_or_default().trim_end();
    let mut writer = Writer::of(view);
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        let place = line.start + at;
        match byte {
            b'|' if !escaped => {
                let cell = std::mem::replace(&mut writer, Writer::of(view));
                if !cell.is_empty() {
                    each(cell.finish());
                }
            }
            b'\\' if text.as_bytes().get(at + 1) == Some(&b'|') => {}
            // A character is kept with its first byte.
            _ if text.is_char_boundary(at) => {
                let length = text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
                writer.keep(place..place + length);
            }
            _ => {}
        }
        escaped = byte == b'\\';
    }
    if !writer.is_empty() {
        each(writer.finish());
    }
}

/// Whether a line does something, rather than name what could be done: it hands a call something made on the spot, a
/// call's result, an element, text put together, or has several statements.
///
/// `os.system(cmd)` in a sentence is the name of a function and its parameter; `os.system("ping " + host)` is code.
pub(super) fn tells(text: &str) -> bool {
    if text.len() < 8 || text.len() > LONGEST || !text.contains(['(', '=']) {
        return false;
    }
    let (mut depth, mut quote, mut before, mut strings, mut joins) = (0_usize, None, ' ', 0, 0);
    let mut formatted = false;
    for (at, character) in text.char_indices() {
        if let Some(open) = quote {
            if character == open && before != '\\' {
                quote = None;
            }
            if character == '{' && formatted && depth > 0 {
                return true;
            }
            before = if before == '\\' && character == '\\' { ' ' } else { character };
            continue;
        }
        match character {
            '"' | '\'' | '`' => {
                formatted = character == '`' || matches!(before, 'f' | 'F' | '$');
                strings += 1;
                quote = Some(character);
            }
            '(' | '[' if depth > 0 && (before.is_alphanumeric() || matches!(before, '_' | ')' | ']')) => return true,
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '+' | '%' | '.' | '&' if depth > 0 && (character != '.' || before == ' ') => joins += 1,
            ';' | '\n' => {
                let rest = text.get(at + 1..).unwrap_or_default();
                if rest.contains('(') && text.get(..at).is_some_and(|first| first.contains([' ', '('])) {
                    return true;
                }
            }
            _ => {}
        }
        before = character;
    }
    strings > 0 && joins > 0
}

/// A single line longer than this is not a snippet, in bytes.
const LONGEST: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        spans(&View::whole(text).unwrap(), &mut |view| found.push(view.text().to_owned()));
        found
    }

    #[test]
    fn backquotes_and_cells_are_taken_out() {
        assert_eq!(found("Use `a(b)` or ``c`d`` and ```e```."), ["a(b)", "c`d", "e"]);
        assert_eq!(found("open `a(b)\nnext"), ["a(b)"]);
        assert_eq!(found("| 1 | f(a \\| b) | é |\n"), [" 1 ", " f(a | b) ", " é "]);
        assert_eq!(found(&"`` ` ".repeat(3)), [" ` ", " `` "]);
    }

    #[test]
    fn a_name_of_a_function_is_not_code() {
        for (text, code) in [
            ("os.system(cmd)", false),
            ("eval()", false),
            ("subprocess.run(cmd, shell=True)", false),
            ("yaml.load(f, Loader=yaml.Loader)", false),
            ("hashlib.md5(data).hexdigest()", false),
            ("open(\"a.txt\", \"w\")", false),
            ("x = y + 1", false),
            ("os.system(\"ping \" + host)", true),
            ("os.system(f\"ping {host}\")", true),
            ("os.system(\"ping %s\" % host)", true),
            ("pickle.loads(request.get_data())", true),
            ("exec(a[\"code\"])", true),
            ("import os; os.system(cmd)", true),
            ("eval(input())", true),
        ] {
            assert_eq!(tells(text), code, "{text}");
        }
    }
}
