//! Simple patterns for names that come from outside.

/// A text in which `*` stands for any run of characters, none included; all else is literal, ASCII case aside.
///
/// Case is ignored because servers differ in whether `Llama` and `llama` are one model, and because matching
/// more is the safe side: a rule that matches can make an answer stricter, never milder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    pieces: Vec<String>,
}

impl Glob {
    /// The longest pattern, in bytes.
    pub(crate) const LONGEST: usize = 256;

    /// A pattern; none when it is empty or longer than 256 bytes.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= Self::LONGEST;
        fits.then(|| Self { text: text.to_owned(), pieces: text.split('*').map(str::to_ascii_lowercase).collect() })
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether every text matches.
    pub(crate) fn is_everything(&self) -> bool {
        self.pieces.iter().all(String::is_empty)
    }

    /// Whether the whole of `lowercase` matches; a text that is not in ASCII lower case matches too little.
    ///
    /// Time grows with the text's length times the number of stars at worst.
    pub(crate) fn matches(&self, lowercase: &str) -> bool {
        let Some((first, rest)) = self.pieces.split_first() else { return false };
        let Some((last, middle)) = rest.split_last() else { return lowercase == first };
        let inner = lowercase.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str()));
        // The leftmost place of each piece leaves the most room for the pieces after it.
        let fit = |text: &mut &str, piece: &String| {
            let after = text.find(piece.as_str()).and_then(|at| text.get(at + piece.len()..));
            after.map(|after| *text = after).is_some()
        };
        inner.is_some_and(|mut inner| middle.iter().all(|piece| fit(&mut inner, piece)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Glob;

    fn matches(pattern: &str, text: &str) -> bool {
        Glob::new(pattern).unwrap().matches(&text.to_ascii_lowercase())
    }

    #[test]
    fn a_star_is_any_run_and_the_rest_is_literal() {
        assert!(matches("acme", "acme") && !matches("acme", "acme2") && !matches("acme", "cme"));
        assert!(matches("*", "") && matches("*", "anything") && matches("**", "x"));
        assert!(matches("/v1/*", "/v1/chat/completions") && !matches("/v1/*", "/v2/v1/"));
        assert!(matches("*-guard-*", "llama-guard-3") && !matches("*-guard-*", "llama-guard"));
        assert!(matches("a*b*c", "a-b-b-c") && !matches("a*b*c", "acb"));
        assert!(!matches("a*a", "a"), "a star does not share a letter with its neighbours");
        assert!(!matches("a.c", "abc"), "no other character is special");
    }

    #[test]
    fn spelling_does_not_evade_a_pattern() {
        assert!(matches("llama-*", "LLAMA-3.1") && matches("Llama-*", "llama-3.1"));
    }

    #[test]
    fn only_stars_are_everything() {
        assert!(Glob::new("*").unwrap().is_everything() && Glob::new("***").unwrap().is_everything());
        assert!(!Glob::new("a*").unwrap().is_everything());
        assert_eq!(Glob::new(""), None);
        assert_eq!(Glob::new(&"a".repeat(257)), None);
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_textbook(pattern in "[ab*]{1,8}", text in "[ab]{0,10}") {
            prop_assert_eq!(matches(&pattern, &text), textbook(pattern.as_bytes(), text.as_bytes()));
        }
    }

    fn textbook(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => textbook(rest, text) || (!text.is_empty() && textbook(pattern, &text[1..])),
            ([p, pattern @ ..], [t, text @ ..]) => p == t && textbook(pattern, text),
            _ => false,
        }
    }
}
