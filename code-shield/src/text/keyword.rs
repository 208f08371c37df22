//! The first look: which rules can match at all, by the strings their matches contain. One pass over the text for all.

use regex_automata::{Input, MatchKind, PatternSet, meta};

use super::document::TextRuleError;
use super::rule::Rule;

pub(super) struct Keywords {
    /// The rules without keywords, which are always tried.
    always: Vec<usize>,
    /// The rules of the patterns, in order.
    gated: Vec<usize>,
    regex: meta::Regex,
}

impl Keywords {
    pub(super) fn new(rules: &[Rule]) -> Result<Keywords, TextRuleError> {
        let (gated, always): (Vec<usize>, Vec<usize>) =
            (0..rules.len()).partition(|index| rules.get(*index).is_some_and(|rule| !rule.keywords.is_empty()));
        let patterns: Vec<String> = gated.iter().filter_map(|index| rules.get(*index)).map(alternatives).collect();
        let regex = meta::Builder::new()
            .configure(meta::Config::new().match_kind(MatchKind::All).utf8_empty(false))
            .build_many(&patterns)
            .map_err(|error| TextRuleError::Pattern { id: "keywords".to_owned(), reason: error.to_string() })?;
        Ok(Keywords { always, gated, regex })
    }

    /// The indices of the rules worth trying on `text[from..]`.
    pub(super) fn candidates(&self, text: &str, from: usize) -> Vec<usize> {
        let mut seen = PatternSet::new(self.gated.len());
        self.regex.which_overlapping_matches(&Input::new(text).range(from..), &mut seen);
        let gated = seen.iter().filter_map(|pattern| self.gated.get(pattern.as_usize()));
        self.always.iter().chain(gated).copied().collect()
    }
}

fn alternatives(rule: &Rule) -> String {
    let words: Vec<String> = rule.keywords.iter().map(|word| word.escape_unicode().to_string()).collect();
    format!("(?i:{})", words.join("|"))
}
