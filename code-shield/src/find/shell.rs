//! Programs that a shell is given: documents that stand in a command, and one-liners behind `-c` and its like.

use std::ops::Range;

use crate::unfenced::lines;
use crate::view::{View, Writer};

/// Gives every such program, with the tag of who is to run it or of the file it is written to.
///
/// A document or a string that is not closed lasts to the end.
pub(super) fn programs(view: &View<'_>, each: &mut dyn FnMut(View<'_>, &str)) {
    let text = view.text();
    if text.contains("<<") {
        documents(view, each);
    }
    if RUNNERS.iter().any(|(runner, _, _)| text.contains(runner)) {
        one_liners(view, each);
    }
}

fn documents(view: &View<'_>, each: &mut dyn FnMut(View<'_>, &str)) {
    let text = view.text();
    let mut open: Option<(&str, &str, Range<usize>)> = None;
    for line in lines(text, 0..text.len()) {
        let content = text.get(line.clone()).unwrap_or_default();
        match &mut open {
            Some((word, tag, body)) => {
                if content.trim() == *word {
                    each(view.part(body.clone()), tag);
                    open = None;
                } else {
                    body.end = line.end;
                }
            }
            None => open = delimiter(content).map(|word| (word, runner(content), line.end..line.end)),
        }
    }
    if let Some((_, tag, body)) = open {
        each(view.part(body), tag);
    }
}

/// The word that ends the document which a line announces.
fn delimiter(line: &str) -> Option<&str> {
    let rest = line.split_once("<<")?.1;
    let rest = rest.strip_prefix(['-', '~']).unwrap_or(rest);
    let spaced = rest.starts_with(' ');
    let rest = rest.trim_start().trim_start_matches(['"', '\'', '\\']);
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let word = rest.get(..end).filter(|word| word.len() > 1 && !word.starts_with(|c: char| c.is_ascii_digit()))?;
    let behind = rest.get(end..).unwrap_or_default().trim_start_matches(['"', '\'']);
    if !(behind.is_empty() || behind.starts_with([' ', '\t', '\n', '\r', '|', ';', ')', '&'])) {
        return None;
    }
    // `cout << "text"` announces nothing.
    (!spaced || word.chars().all(|c| c.is_ascii_uppercase() || c == '_')).then_some(word)
}

/// Who reads the document that a line announces: the ending of a file it is written to, or a program.
fn runner(line: &str) -> &str {
    let mut words = line.split([' ', '\t', '\n', '\r', '"', '\'', '|', '>', ';']).filter(|word| !word.is_empty());
    let program = words.clone().find_map(|word| {
        let name = word.rsplit('/').next().unwrap_or(word);
        RUNNERS.iter().find(|(runner, _, _)| *runner == name).map(|(_, _, tag)| *tag)
    });
    let ending =
        |word: &str| word.rsplit_once('.').map(|(_, ending)| ending.len()).filter(|length| (1..5).contains(length));
    let file = words.find_map(|word| ending(word).and_then(|length| word.get(word.len() - length..)));
    program.or(file).unwrap_or_default()
}

fn one_liners(view: &View<'_>, each: &mut dyn FnMut(View<'_>, &str)) {
    let text = view.text();
    for (runner, flags, tag) in RUNNERS {
        let mut at = 0;
        while let Some(found) = text.get(at..).and_then(|rest| rest.find(runner)).map(|found| at + found + runner.len())
        {
            at = found;
            let Some(rest) = text.get(found..) else { return };
            let options = rest.bytes().take(LONGEST_OPTIONS).position(|byte| matches!(byte, b'"' | b'\'' | b'\n'));
            let Some(quote_at) = options else { continue };
            let given = rest.get(..quote_at).unwrap_or_default();
            if !flags.iter().any(|flag| given.split_whitespace().next_back() == Some(flag)) {
                continue;
            }
            let start = found + quote_at + 1;
            match rest.as_bytes().get(quote_at) {
                Some(b'\'') => {
                    let end = text.get(start..).and_then(|rest| rest.find('\'')).map_or(text.len(), |end| start + end);
                    each(view.part(start..end), tag);
                    at = end;
                }
                Some(b'"') => {
                    let (code, end) = unquoted(view, start);
                    each(code, tag);
                    at = end;
                }
                _ => {}
            }
        }
    }
}

/// What the shell makes of a string between double quotes.
fn unquoted(view: &View<'_>, start: usize) -> (View<'static>, usize) {
    let text = view.text().get(start..).unwrap_or_default();
    let mut writer = Writer::of(view);
    let (mut kept, mut at) = (0, 0);
    while let Some(found) = text.get(at..).and_then(|rest| rest.find(['"', '\\'])).map(|found| at + found) {
        let next = text.as_bytes().get(found + 1);
        if text.as_bytes().get(found) == Some(&b'"') {
            writer.keep(start + kept..start + found);
            return (writer.finish(), start + found + 1);
        }
        at = found + 1;
        if matches!(next, Some(b'"' | b'\\' | b'$' | b'`')) {
            writer.keep(start + kept..start + found);
            kept = found + 1;
            at = found + 2;
        }
    }
    writer.keep(start + kept..start + text.len());
    (writer.finish(), start + text.len())
}

/// Programs that run text, the flags before it, and the tag of the language.
const RUNNERS: [(&str, &[&str], &str); 9] = [
    ("python3", &["-c", "-Ic", "-uc"], "python"),
    ("python", &["-c", "-Ic", "-uc"], "python"),
    ("node", &["-e", "--eval", "-p"], "javascript"),
    ("deno", &["eval"], "typescript"),
    ("ruby", &["-e"], "ruby"),
    ("php", &["-r"], "php"),
    ("bash", &["-c", "-lc"], "bash"),
    ("sh", &["-c"], "bash"),
    ("perl", &["-e"], "perl"),
];

/// How far the text is looked for behind the name of a program, in bytes.
const LONGEST_OPTIONS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        programs(&View::whole(text).unwrap(), &mut |code, tag| found.push((code.text().to_owned(), tag.to_owned())));
        found.sort();
        found.dedup();
        found
    }

    #[test]
    fn programs_are_taken_out() {
        for (text, code, tag) in [
            ("cat > app.py <<'EOF'\na\nb\nEOF\nrun\n", "a\nb\n", "py"),
            ("python3 - <<-END\na\n  END\n", "a\n", "python"),
            ("cat <<EOF | tee x.js\na\n", "a\n", "js"),
            ("python3 -c 'a(\"b\")'", "a(\"b\")", "python"),
            ("node -e \"a(\\\"b\\\")\" x", "a(\"b\")", "javascript"),
            ("sudo /usr/bin/bash -c \"a", "a", "bash"),
        ] {
            assert_eq!(found(text), [(code.to_owned(), tag.to_owned())], "{text}");
        }
        assert_eq!(found("Jo <<jo@example.org>>, Al <<al>>\nx\n"), []);
        assert_eq!(found("std::cout << \"x\";\nUse python to say 'hello'."), []);
    }
}
