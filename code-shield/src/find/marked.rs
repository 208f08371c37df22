//! Code whose every line stands behind a mark: the lines a diff adds, a quotation, what was typed at a prompt.

use crate::unfenced::lines;
use crate::view::{View, Writer};

/// Gives the new text of every file in a diff, with the file's ending for a tag.
///
/// Where the text is not said to be one, a diff begins with its headers, or with two lines that are added.
pub(super) fn diffs(view: &View<'_>, said: bool, each: &mut dyn FnMut(View<'_>, &str)) {
    let text = view.text();
    let mut inside = said;
    let mut tag = "";
    let mut new = Writer::of(view);
    let mut was_added = false;
    for line in lines(text, 0..text.len()) {
        let content = text.get(line.clone()).unwrap_or_default();
        let header = ["+++ ", "--- ", "diff ", "index "].iter().any(|start| content.starts_with(start));
        let added = is_added(content);
        if header {
            let done = std::mem::replace(&mut new, Writer::of(view));
            if !done.is_empty() {
                each(done.finish(), tag);
            }
            if let Some(path) = content.strip_prefix("+++ ") {
                let path = path.split('\t').next().unwrap_or_default().trim_end();
                tag = path.rsplit_once('.').map_or("", |(_, ending)| ending);
                inside = true;
            }
        } else if content.starts_with("@@") {
            inside = true;
        } else if inside || (added && (was_added || next_is_added(text, line.end))) {
            match content.bytes().next() {
                Some(b'+' | b' ') => new.keep(line.start + 1..line.end),
                Some(b'\n' | b'\r') => new.keep(line.clone()),
                Some(b'-' | b'\\') => {}
                _ => {
                    inside = said;
                    let done = std::mem::replace(&mut new, Writer::of(view));
                    if !done.is_empty() {
                        each(done.finish(), tag);
                    }
                }
            }
        }
        was_added = added;
    }
    if !new.is_empty() {
        each(new.finish(), tag);
    }
}

/// Whether a line is added by a diff, and is no item of a list.
fn is_added(line: &str) -> bool {
    line.strip_prefix('+').is_some_and(|rest| !rest.starts_with(' ') || rest.starts_with("  "))
}

fn next_is_added(text: &str, at: usize) -> bool {
    text.get(at..).is_some_and(is_added)
}

/// Gives every run of lines that are quoted with `>`, unquoted.
pub(super) fn quotes(view: &View<'_>, each: &mut dyn FnMut(View<'_>)) {
    let quoted = |line: &str| {
        let rest = line.trim_start().strip_prefix('>').filter(|rest| !rest.starts_with(">>"))?;
        Some(line.len() - rest.strip_prefix(' ').unwrap_or(rest).len())
    };
    runs(view, &quoted, each);
}

/// Gives every run of lines typed at a prompt, with the tag of what was prompting.
pub(super) fn prompts(view: &View<'_>, each: &mut dyn FnMut(View<'_>, &str)) {
    let python = |line: &str| {
        let rest = line.trim_start();
        let typed = rest.strip_prefix(">>>").or_else(|| rest.strip_prefix("..."))?;
        Some(line.len() - typed.strip_prefix(' ').unwrap_or(typed).len())
    };
    if view.text().contains(">>>") {
        runs(view, &python, &mut |code| each(code, "python"));
    }
    let notebook = |line: &str| {
        let rest = line.trim_start();
        let number = rest.strip_prefix("In [")?.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        let typed = number.strip_prefix("]:")?;
        Some(line.len() - typed.strip_prefix(' ').unwrap_or(typed).len())
    };
    if view.text().contains("In [") {
        runs(view, &notebook, &mut |code| each(code, "python"));
    }
}

/// Gives every run of lines that have a mark, without it: `mark` tells how long it is.
fn runs(view: &View<'_>, mark: &dyn Fn(&str) -> Option<usize>, each: &mut dyn FnMut(View<'_>)) {
    let text = view.text();
    let mut run = Writer::of(view);
    for line in lines(text, 0..text.len()) {
        if let Some(length) = mark(text.get(line.clone()).unwrap_or_default()) {
            run.keep(line.start + length..line.end);
            continue;
        }
        let done = std::mem::replace(&mut run, Writer::of(view));
        if !done.is_empty() {
            each(done.finish());
        }
    }
    if !run.is_empty() {
        each(run.finish());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_is_read_as_what_it_makes() {
        let text =
            "--- a/x.py\n+++ b/x.py\n@@ -1 +1,2 @@\n a\n-b\n+c\n\n--- a/y.js\n+++ b/y.js\n@@ -1 +1 @@\n+d\nDone.\n";
        let mut found = Vec::new();
        diffs(&View::whole(text).unwrap(), false, &mut |code, tag| {
            found.push((code.text().to_owned(), tag.to_owned()));
        });
        assert_eq!(found, [("a\nc\n\n".to_owned(), "py".to_owned()), ("d\n".to_owned(), "js".to_owned())]);
        for (text, count) in [("So:\n+a\n+  b\nDone.\n", 1), ("+ tea\n+ milk\n", 0), ("+1 for this\n", 0)] {
            let mut found = 0;
            diffs(&View::whole(text).unwrap(), false, &mut |_, _| found += 1);
            assert_eq!(found, count, "{text}");
        }
    }

    #[test]
    fn quotations_and_prompts_lose_their_marks() {
        let mut found = Vec::new();
        let text = "So:\n> a\n>   b\n\n>>> c\n... d\n1\n";
        quotes(&View::whole(text).unwrap(), &mut |code| found.push(code.text().to_owned()));
        prompts(&View::whole(text).unwrap(), &mut |code, _| found.push(code.text().to_owned()));
        prompts(&View::whole("In [12]: e\n").unwrap(), &mut |code, _| found.push(code.text().to_owned()));
        assert_eq!(found, ["a\n  b\n", "c\nd\n", "e\n"]);
    }
}
