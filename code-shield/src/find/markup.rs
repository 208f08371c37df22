//! Code in HTML: `<script>`, `<pre>` and `<code>`, with its tags taken out and its entities read.

use crate::view::{View, Writer};

/// Gives the content of every such element, with what its class or type says of the language.
///
/// An element that is not closed lasts to the end, for the answer may not be complete yet.
pub(super) fn elements(view: &View<'_>, each: &mut dyn FnMut(View<'_>, &str)) {
    let text = view.text();
    let mut at = 0;
    while let Some(open) = text.get(at..).and_then(|rest| rest.find('<')).map(|found| at + found) {
        at = open + 1;
        let Some((name, attributes, start)) = opening(text, open) else { continue };
        let end = closing(text, start, name);
        let content = start..end;
        if name == "script" {
            let kind = attribute(attributes, "type").unwrap_or_default();
            let tag = if kind.contains("python") { "python" } else { "javascript" };
            each(view.part(content), if kind.contains("json") { "json" } else { tag });
        } else {
            // `<pre><code class="language-python">`: the inner element may tell what the outer does not.
            let inner = text.get(content.clone()).unwrap_or_default();
            let first = inner.trim_start();
            let nested = opening(first, 0).map(|(_, attributes, _)| attributes);
            let tag = language(attributes).or_else(|| nested.and_then(language)).unwrap_or_default();
            each(plain(view, content.start, inner), tag);
        }
        at = end;
    }
}

/// The name, the attributes and the start of the content of the element that begins here, if it holds code.
fn opening(text: &str, at: usize) -> Option<(&'static str, &str, usize)> {
    let rest = text.get(at + 1..)?;
    let name = ["script", "pre", "code", "samp", "kbd"].into_iter().find(|name| {
        rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
            && rest.get(name.len()..).is_some_and(|next| next.starts_with([' ', '>', '\n', '\t']))
    })?;
    let close = rest.bytes().take(LONGEST_TAG).position(|byte| byte == b'>')?;
    Some((name, rest.get(name.len()..close)?, at + 1 + close + 1))
}

/// Where the content of an element ends.
fn closing(text: &str, start: usize, name: &str) -> usize {
    let mut at = start;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find("</")).map(|found| at + found) {
        let named = text.get(found + 2..found + 2 + name.len());
        if named.is_some_and(|named| named.eq_ignore_ascii_case(name)) {
            return found;
        }
        at = found + 2;
    }
    text.len()
}

/// The language that a class names: `language-python`, `lang-py`, `brush: python`, `python`.
fn language(attributes: &str) -> Option<&str> {
    let class = attribute(attributes, "class").or_else(|| attribute(attributes, "lang"))?;
    let words = class.split([' ', ';', ':']).filter(|word| !word.is_empty());
    words.clone().find(|word| word.starts_with("lang")).or_else(|| words.clone().next_back())
}

fn attribute<'t>(attributes: &'t str, name: &str) -> Option<&'t str> {
    let value = attributes.split_once(name)?.1.trim_start().strip_prefix('=')?.trim_start();
    match value.chars().next()? {
        quote @ ('"' | '\'') => value.get(1..)?.split(quote).next(),
        _ => value.split([' ', '>', '/']).next(),
    }
}

/// Text without the tags that mark it up, and with its entities read.
fn plain(view: &View<'_>, from: usize, text: &str) -> View<'static> {
    let mut writer = Writer::of(view);
    let (mut kept, mut at) = (0, 0);
    while let Some(found) = text.get(at..).and_then(|rest| rest.find(['<', '&'])).map(|found| at + found) {
        let rest = text.get(found..).unwrap_or_default();
        at = found + 1;
        let (meant, length) = if let Some((meant, length)) = entity(rest) {
            (Some(meant), length)
        } else if let Some((breaks, length)) = tag(rest) {
            (breaks.then_some('\n'), length)
        } else {
            continue;
        };
        writer.keep(from + kept..from + found);
        if let Some(meant) = meant {
            writer.put(meant.encode_utf8(&mut [0; 4]), &(from + found..from + found + length));
        }
        kept = found + length;
        at = kept;
    }
    writer.keep(from + kept..from + text.len());
    writer.finish()
}

fn entity(text: &str) -> Option<(char, usize)> {
    let rest = text.strip_prefix('&')?;
    let end = rest.bytes().take(9).position(|byte| byte == b';')?;
    let name = rest.get(..end)?;
    let meant = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "lpar" => '(',
        "rpar" => ')',
        _ => {
            let number = name.strip_prefix('#')?;
            let value = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(value)?
        }
    };
    Some((meant, end + 2))
}

/// A tag that marks up text within code, whether it ends a line, and its length.
fn tag(text: &str) -> Option<(bool, usize)> {
    let rest = text.strip_prefix('<')?;
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    let name_end = rest.find(|c: char| !c.is_ascii_alphanumeric())?;
    let name = rest.get(..name_end)?.to_ascii_lowercase();
    if !TAGS.contains(&name.as_str()) {
        return None;
    }
    let close = text.bytes().take(LONGEST_TAG).position(|byte| byte == b'>')?;
    Some((matches!(name.as_str(), "br" | "div" | "p" | "li" | "tr"), close + 1))
}

const TAGS: [&str; 21] = [
    "span", "code", "pre", "b", "i", "em", "strong", "a", "div", "p", "br", "mark", "font", "u", "s", "li", "td", "tr",
    "samp", "kbd", "var",
];

/// How far the end of a tag is looked for, in bytes.
const LONGEST_TAG: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        elements(&View::whole(text).unwrap(), &mut |code, tag| found.push((code.text().to_owned(), tag.to_owned())));
        found
    }

    #[test]
    fn elements_are_taken_out_and_read() {
        for (text, code, tag) in [
            (
                "<pre><code class=\"language-python\">a &lt; <span class=x>b</span></code></pre>",
                "a < b",
                "language-python",
            ),
            ("<p>x</p><PRE>a<br>b</PRE>", "a\nb", ""),
            ("<script>if (a < b) f()</script>", "if (a < b) f()", "javascript"),
            ("<script type='application/json'>{}</script>", "{}", "json"),
            ("<code>a &#40;&#x29; <stdio.h>", "a () <stdio.h>", ""),
        ] {
            assert_eq!(found(text), [(code.to_owned(), tag.to_owned())], "{text}");
        }
        assert_eq!(found("a < b, <prefix>, </code>"), []);
    }

    #[test]
    fn what_is_found_in_an_element_has_its_place() {
        let text = "<pre>&lt;<b>x</b></pre>";
        elements(&View::whole(text).unwrap(), &mut |code, _| assert_eq!(code.span(&(0..2)), 5..13));
    }
}
