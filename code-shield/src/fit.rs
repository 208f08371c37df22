//! How well a text fits a language: what its parser could not make sense of.

use std::ops::Range;
use std::time::Instant;

use crate::Language;
use crate::scan::parse;

/// What a language's parser makes of a text.
pub(crate) struct Fit {
    /// How much of it is left unread, in percent of its bytes.
    pub(crate) faults: usize,
    /// Where that lies, in order.
    errors: Vec<Range<usize>>,
    /// Whether something is missing.
    missing: bool,
}

impl Fit {
    /// How well a text fits; not at all when it is too long or takes too long.
    pub(crate) fn of(text: &str, language: Language, deadline: Instant) -> Fit {
        let Some(tree) = parse(text, language, deadline) else {
            return Fit { faults: 100, errors: Vec::new(), missing: true };
        };
        let mut fit = Fit { faults: 0, errors: Vec::new(), missing: false };
        let mut bad = 0;
        let mut cursor = tree.walk();
        loop {
            let node = cursor.node();
            if node.is_error() {
                bad += node.byte_range().len();
                fit.errors.push(node.byte_range());
            }
            fit.missing |= node.is_missing();
            if !node.is_error() && node.has_error() && cursor.goto_first_child() {
                continue;
            }
            while !cursor.goto_next_sibling() {
                if !cursor.goto_parent() {
                    fit.faults = bad * 100 / text.trim().len().max(1);
                    return fit;
                }
            }
        }
    }

    /// Whether all of it is understood.
    pub(crate) fn is_perfect(&self) -> bool {
        self.errors.is_empty() && !self.missing
    }

    /// The paragraphs in which something was not understood, as far as they stand apart: blank lines before and after.
    pub(crate) fn strange(&self, text: &str) -> Vec<Range<usize>> {
        let mut parts: Vec<Range<usize>> = Vec::new();
        for error in &self.errors {
            let start = text.get(..error.start).and_then(|before| before.rfind("\n\n")).map_or(0, |at| at + 2);
            let end =
                text.get(error.end..).and_then(|after| after.find("\n\n")).map_or(text.len(), |at| error.end + at + 1);
            match parts.last_mut() {
                // Paragraphs that follow one another are one piece of code.
                Some(last) if start <= last.end + 1 => last.end = last.end.max(end),
                _ => parts.push(start..end),
            }
        }
        parts.retain(|part| *part != (0..text.len()) && !part.is_empty());
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::MAX_TIME;

    #[test]
    fn what_is_not_understood_is_told_apart() {
        let python = "import os\n\ndef f():\n    return 1\n";
        let script = "const a = () => {\n  return `x`;\n};\n";
        let fit = |text: &str| Fit::of(text, Language::Python, Instant::now() + MAX_TIME);
        assert!(fit(python).is_perfect());
        assert_eq!((fit(python).faults, fit(python).strange(python)), (0, vec![]));
        let both = format!("{python}\n{script}\n\n{python}");
        let strange = fit(&both).strange(&both);
        assert!(strange.iter().any(|part| both[part.clone()].contains("const a")), "{strange:?}");
        assert!(!fit("f(a").is_perfect());
    }
}
