//! What a grammar's scanner must not be given: parsers are C, and a stranger writes what they read.
//!
//! Every change keeps the length of the source, so every place stays where it was.
//!
//! - Bash: the scanner looks characters beyond ASCII up in a table that ends before them.
//! - Ruby: the word that ends a heredoc is kept with a length of one byte, and a longer one ends the process.
//! - PHP: what stands outside `<?php … ?>` is a page, and not a program (`page.rs`).

use crate::Language;
use crate::page::without_page;

/// The source as its parser may read it, or nothing when that is the source as it is.
pub(crate) fn readable(source: &str, language: Language) -> Option<String> {
    match language {
        Language::Bash if !source.is_ascii() => {
            Some(source.bytes().map(|byte| if byte.is_ascii() { char::from(byte) } else { '_' }).collect())
        }
        Language::Ruby if source.contains("<<") => without_long_words(source),
        Language::Php => without_page(source),
        _ => None,
    }
}

/// A program without heredocs whose word is longer than [`LONGEST_WORD`]; they have blanks for their marks.
fn without_long_words(source: &str) -> Option<String> {
    let mut bytes: Option<Vec<u8>> = None;
    for (at, pair) in source.as_bytes().windows(2).enumerate() {
        if pair != b"<<" || !is_long(source.as_bytes().get(at + 2..).unwrap_or_default()) {
            continue;
        }
        let bytes = bytes.get_or_insert_with(|| source.as_bytes().to_vec());
        for mark in bytes.get_mut(at..at + 2).into_iter().flatten() {
            *mark = b' ';
        }
    }
    String::from_utf8(bytes?).ok()
}

/// Whether the word behind the marks of a heredoc is too long, or has no end in sight.
fn is_long(after: &[u8]) -> bool {
    let word = after.strip_prefix(b"-").or_else(|| after.strip_prefix(b"~")).unwrap_or(after);
    if let Some(quote @ (b'"' | b'\'' | b'`')) = word.first() {
        return !word.iter().skip(1).take(LONGEST_WORD).any(|byte| byte == quote);
    }
    let named = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_' || !byte.is_ascii();
    word.iter().take(LONGEST_WORD + 1).take_while(named).count() > LONGEST_WORD
}

const LONGEST_WORD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{MAX_TIME, parse};
    use std::time::Instant;

    #[test]
    fn what_breaks_a_scanner_does_not_reach_it() {
        let long = "x".repeat(300);
        for (language, source) in [
            (Language::Bash, "echo {\u{10ffff}..3} ${a:\u{1f600}} {1..\u{4e2d}}".to_owned()),
            (Language::Ruby, format!("a = <<\"{long}\"\nb\n{long}\n")),
            (Language::Ruby, format!("a = <<-{long}\nb\n{long}\n")),
            (Language::Ruby, format!("a = <<~'é{long}'\nb <<{long}\n{long}\n")),
        ] {
            assert_ne!(readable(&source, language), None);
            assert!(parse(&source, language, Instant::now() + MAX_TIME).is_some());
        }
    }

    #[test]
    fn what_is_harmless_stays() {
        assert_eq!(readable("a = <<~SQL\n  select\nSQL\nb << c << \"d\"\n", Language::Ruby), None);
        assert_eq!(readable("echo hello", Language::Bash), None);
        assert_eq!(readable("é", Language::Python), None);
        assert_eq!(readable("echo é", Language::Bash).unwrap(), "echo __");
    }
}
