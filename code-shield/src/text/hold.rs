//! Whether the tail of a text may still become a match, asked of the automaton of all patterns together.
//!
//! From an offset, the automaton is walked over the rest of the text. It dies as soon as no continuation is a match; when
//! it is alive at the end, something may begin at that offset. No text is as long as a match and undecided, so only the
//! last [`MAX_MATCH`] bytes are tried. The automaton is built lazily and lives in a cache per thread at work.

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::util::pool::Pool;
use regex_automata::{Anchored, Input, MatchKind};

use super::boundary;
use super::document::TextRuleError;
use super::rule::{MAX_MATCH, Rule};

pub(super) struct Liveness {
    dfa: DFA,
    caches: Pool<Cache, Box<dyn Fn() -> Cache + Send + Sync>>,
}

impl Liveness {
    pub(super) fn new(rules: &[Rule]) -> Result<Liveness, TextRuleError> {
        let patterns: Vec<&str> = rules.iter().map(|rule| rule.pattern.as_str()).collect();
        let dfa = DFA::builder()
            .configure(DFA::config().match_kind(MatchKind::All).cache_capacity(CACHE).skip_cache_capacity_check(true))
            .build_many(&patterns)
            .map_err(|error| TextRuleError::Pattern { id: "all".to_owned(), reason: error.to_string() })?;
        let owned = dfa.clone();
        let caches = Pool::new(Box::new(move || owned.create_cache()) as Box<dyn Fn() -> Cache + Send + Sync>);
        Ok(Liveness { dfa, caches })
    }

    /// The first offset at or after `from` at which a match may begin that the text has not yet decided.
    pub(super) fn earliest(&self, text: &str, from: usize) -> Option<usize> {
        // One byte more for the character a pattern looks at behind its match, one for the automaton's delay.
        let first = boundary::ceil(text, from.max(text.len().saturating_sub(MAX_MATCH + 2)));
        let mut cache = self.caches.get();
        let tail = text.get(first..)?;
        tail.char_indices().map(|(at, _)| first + at).find(|at| self.alive(&mut cache, text, *at))
    }

    fn alive(&self, cache: &mut Cache, text: &str, at: usize) -> bool {
        // An automaton that cannot answer has not said no.
        let input = Input::new(text).range(at..).anchored(Anchored::Yes);
        let Ok(mut state) = self.dfa.start_state_forward(cache, &input) else { return true };
        for byte in text.bytes().skip(at) {
            match self.dfa.next_state(cache, state, byte) {
                Ok(next) if next.is_dead() => return false,
                Ok(next) if !next.is_quit() => state = next,
                _ => return true,
            }
        }
        true
    }
}

/// Room for the states of one thread, in bytes; when it is full the automaton starts afresh.
const CACHE: usize = 8 << 20;
