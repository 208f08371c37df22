//! Code wherever it stands in a text: fenced, indented, amid sentences, quoted in JSON, in markup, behind the marks of a diff.
//!
//! Each way to carry code is a file in `find/` that takes it out as a [`View`]; what is taken out is looked through in turn,
//! [`MAX_DEPTH`] times, so a fence in a string of JSON is found too. What is clearly code is not looked through: its strings
//! are not code.

mod inline;
mod marked;
mod markup;
mod shell;
mod strings;

use std::time::{Duration, Instant};

use crate::Language;
use crate::fence::{fenced, unmarked};
use crate::fit::Fit;
use crate::guess::{FAULTS_OF_CODE, FAULTS_OF_PROSE, guess_until};
use crate::unfenced::{Piece, pieces};
use crate::view::View;

/// What came of reading a piece of code.
pub(crate) struct Seen {
    /// Whether there was an issue.
    pub(crate) any: bool,
    /// How much of the time was not the text's: rules are compiled when their language is first seen.
    pub(crate) lost: Duration,
}

/// Looks for code and gives every piece, with its language and until when it may be read, to `read`.
pub(crate) struct Finder<'f> {
    hint: Option<Language>,
    deadline: Instant,
    /// The languages of the code so far, the latest last; a single line is likely in one of them.
    seen: Vec<Language>,
    read: &'f mut dyn FnMut(&View<'_>, Language, Instant) -> Seen,
}

impl<'f> Finder<'f> {
    /// One for text whose code is said to be in `hint` where its content does not tell.
    pub(crate) fn new(
        hint: Option<Language>,
        deadline: Instant,
        read: &'f mut dyn FnMut(&View<'_>, Language, Instant) -> Seen,
    ) -> Self {
        Self { hint, deadline, seen: hint.into_iter().collect(), read }
    }

    /// Looks through a whole text, and tells whether there was time for all of it.
    pub(crate) fn find(mut self, view: &View<'_>) -> bool {
        self.said(view, MAX_DEPTH);
        !self.is_late()
    }

    /// A text of sentences, fences and whatever stands between them.
    fn said(&mut self, view: &View<'_>, depth: usize) {
        let mut at = 0;
        for (covered, block) in fenced(view.text()) {
            self.between(&view.part(at..covered.start), depth);
            self.block(&unmarked(view, &covered, &block), &block.tag, depth);
            at = covered.end;
        }
        self.between(&view.part(at..view.text().len()), depth);
    }

    /// A text without fences.
    fn between(&mut self, view: &View<'_>, depth: usize) {
        if self.is_late() || view.text().trim().is_empty() {
            return;
        }
        for piece in pieces(view, self.deadline) {
            match piece {
                Piece::Code(code, language) => {
                    self.found(&code, language);
                    if language == Language::Bash {
                        self.amid(&code, depth);
                    }
                }
                Piece::Line(line) => self.line(&line, depth),
                Piece::Other(other) => self.amid(&other, depth),
            }
        }
    }

    /// What is neither code nor a fence as it stands, and may carry code.
    fn amid(&mut self, view: &View<'_>, depth: usize) {
        let Some(depth) = depth.checked_sub(1).filter(|_| !self.is_late()) else { return };
        markup::elements(view, &mut |code, tag| self.block(&code, tag, depth));
        strings::strings(view, &mut |string| self.said(&string, depth));
        marked::diffs(view, false, &mut |code, tag| self.block(&code, tag, depth));
        marked::quotes(view, &mut |quoted| self.said(&quoted, depth));
        marked::prompts(view, &mut |code, tag| self.block(&code, tag, depth));
        shell::programs(view, &mut |code, tag| self.block(&code, tag, depth));
        inline::spans(view, &mut |snippet| self.snippet(&snippet));
    }

    /// A line that may be code, alone among sentences.
    fn line(&mut self, view: &View<'_>, depth: usize) {
        self.snippet(&view.part(0..view.text().trim_end().len()));
        self.amid(view, depth);
    }

    /// A block that is said to be code: what its tag names, unless it is clearly something else.
    fn block(&mut self, view: &View<'_>, tag: &str, depth: usize) {
        if self.is_late() || view.text().trim().is_empty() {
            return;
        }
        let word = tag.trim_matches(['{', '.', '}']).split([' ', ',', '}']).next().unwrap_or_default();
        let word = word.to_ascii_lowercase();
        let deeper = depth.saturating_sub(1);
        if depth > 0 && ["diff", "patch", "udiff"].contains(&word.as_str()) {
            marked::diffs(view, true, &mut |code, tag| self.block(&code, tag, deeper));
            return;
        }
        if depth > 0 && ["markdown", "md", "mdx", "rst", "quote"].contains(&word.as_str()) {
            self.said(view, deeper);
            return;
        }
        if let Some(tagged) = Language::from_tag(tag) {
            self.tagged(view, tagged, depth);
        } else if is_data(view.text()) {
            self.amid(view, depth);
        } else {
            self.untagged(view, word.is_empty() || VAGUE.contains(&word.as_str()), depth);
        }
    }

    /// A block whose tag names no language we read, and perhaps, when it is vague, none at all.
    fn untagged(&mut self, view: &View<'_>, vague: bool, depth: usize) {
        if let Some(language) = guess_until(view.text(), FAULTS_OF_PROSE, self.deadline) {
            self.found(view, language);
            if !vague || language == Language::Bash {
                self.amid(view, depth);
            }
            return;
        }
        let shown = guess_until(view.text(), FAULTS_OF_CODE, self.deadline);
        if let Some(language) = shown.or(self.hint.filter(|_| vague)) {
            self.found(view, language);
        }
        if depth > 0 {
            self.said(view, depth - 1);
        }
    }

    /// A block whose tag names a language we read.
    fn tagged(&mut self, view: &View<'_>, tagged: Language, depth: usize) {
        let fit = Fit::of(view.text(), tagged, self.deadline);
        if fit.faults <= MISLABELLED {
            self.found(view, tagged);
            if tagged == Language::Bash {
                // A script carries programs in other languages.
                self.amid(view, depth);
            }
        } else {
            let shown = guess_until(view.text(), FAULTS_OF_PROSE, self.deadline);
            self.found(view, shown.unwrap_or(tagged));
            self.amid(view, depth);
        }
        // What the parser could not read may be in another language, however small a part of the block it is.
        for part in fit.strange(view.text()) {
            let part = view.part(part);
            match guess_until(part.text(), FAULTS_OF_PROSE, self.deadline) {
                Some(language) if language != tagged => self.found(&part, language),
                _ => {}
            }
        }
    }

    fn found(&mut self, view: &View<'_>, language: Language) {
        self.seen.retain(|seen| *seen != language);
        self.seen.push(language);
        self.has_issues(view, language);
    }

    fn has_issues(&mut self, view: &View<'_>, language: Language) -> bool {
        let seen = (self.read)(view, language, self.deadline);
        self.deadline += seen.lost;
        seen.any
    }

    /// A single line, of which only its reader can tell the language.
    fn snippet(&mut self, view: &View<'_>) {
        if self.is_late() || !inline::tells(view.text()) {
            return;
        }
        let likely: Vec<Language> = self.seen.iter().rev().copied().collect();
        let others = Language::ALL.iter().copied().filter(|language| !likely.contains(language));
        for language in likely.iter().copied().chain(others) {
            if Fit::of(view.text(), language, self.deadline).is_perfect() && self.has_issues(view, language) {
                return;
            }
        }
    }

    fn is_late(&self) -> bool {
        Instant::now() > self.deadline
    }
}

/// Whether a text is an object, a list or a string and not a program, though some parsers read it as one.
pub(crate) fn is_data(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[', '"'])
}

/// How often what was taken out is looked through again. Each level of quoting doubles the marks of the one before it.
const MAX_DEPTH: usize = 6;

/// The part of a block, in percent, that its language may fail to read before its tag is doubted.
const MISLABELLED: usize = 5;

/// Tags that say nothing about the language.
const VAGUE: [&str; 7] = ["text", "txt", "plaintext", "plain", "code", "output", "none"];
