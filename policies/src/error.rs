//! Why a policy does not load.

use serde_saphyr::Location;

use crate::{FindingId, Stage};

/// Why a policy, or a set of them, does not load.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A file is not a policy; every fault of it, in the order of the file.
    #[error("{}", lines(.0))]
    File(Vec<Problem>),
    /// Two files carry the same name, so that a record could not say which one spoke.
    #[error("`{first}` and `{second}` are both named `{name}`: give one of them another name after `policy:`")]
    SameName {
        /// The name.
        name: String,
        /// One file.
        first: String,
        /// The other file.
        second: String,
    },
    /// The failure of a detector would go unnoticed.
    #[error(
        "no rule answers {}: a failed detector must not pass unnoticed; \
         add a rule with `finding: detector` and an action, without any other condition, or load a policy that has one",
        unanswered(.0)
    )]
    Unanswered(Vec<(FindingId, Stage)>),
}

/// One fault, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{}:{}: {fault}", place.line, place.column)]
pub struct Problem {
    /// The file's name as it was given.
    pub file: String,
    /// Where in the file.
    pub place: Place,
    /// What is wrong.
    pub fault: Fault,
}

/// A place in a file; lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

impl Place {
    /// The beginning of a file.
    pub(crate) const START: Self = Self { line: 1, column: 1 };

    /// The place that the YAML reader speaks of.
    pub(crate) fn of(location: Location) -> Self {
        Self { line: location.line().max(1), column: location.column().max(1) }
    }
}

/// What is wrong at one place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The reader of YAML stopped.
    #[error("not YAML that a policy may use: {reason}")]
    NotYaml {
        /// The reader's own words.
        reason: String,
    },
    /// The file is too large.
    #[error("{bytes} bytes are too many for a policy, {most} are allowed: split it into several files")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The most that is allowed.
        most: usize,
    },
    /// A field has another shape than it needs.
    #[error("{what} is {found}, but must be {expected}")]
    Shape {
        /// The field in backticks, or a name for the place.
        what: String,
        /// What is there.
        found: String,
        /// What would fit.
        expected: &'static str,
    },
    /// A field is missing.
    #[error("{of} needs the field `{field}`")]
    Missing {
        /// What the field belongs to.
        of: &'static str,
        /// Its name.
        field: &'static str,
    },
    /// A field that does not exist.
    #[error("{of} has no field `{found}`: {hint}")]
    UnknownField {
        /// What the field was given to.
        of: &'static str,
        /// Its name.
        found: String,
        /// The way out.
        hint: String,
    },
    /// A field is there twice.
    #[error("the field `{field}` is here a second time, it was on line {first} already: keep one")]
    Twice {
        /// Its name.
        field: String,
        /// The line of the first.
        first: u64,
    },
    /// A word that is none of those a field takes.
    #[error("`{found}` is not {what}: {hint}")]
    UnknownWord {
        /// The kind of word, with its article.
        what: &'static str,
        /// The word.
        found: String,
        /// The way out.
        hint: String,
    },
    /// Two rules with one id.
    #[error("the rule `{id}` is here a second time, it was on line {first} already: give it another id")]
    SameRule {
        /// The id.
        id: String,
        /// The line of the first.
        first: u64,
    },
    /// A name with other characters than a name may have.
    #[error("`{found}` is not a name: write 1 to {most} letters, digits, `-`, `_` or `.`")]
    Name {
        /// The text.
        found: String,
        /// The most characters.
        most: usize,
    },
    /// A score that is not one.
    #[error("`{found}` is not a score: write a number from 0 to 1")]
    Score {
        /// The number.
        found: String,
    },
    /// A pattern that cannot be one.
    #[error("a pattern for `{field}` has 1 to {most} characters")]
    Pattern {
        /// The field.
        field: &'static str,
        /// The most bytes.
        most: usize,
    },
    /// A text that does not fit on a line.
    #[error("{what} has 1 to {most} characters on one line")]
    Line {
        /// The kind of text, with its article.
        what: String,
        /// The most characters.
        most: usize,
    },
    /// A field beside an action that has no use for it.
    #[error("`{field}` says how to {with}, but the action here is `{action}`: drop it, or {with}")]
    Unused {
        /// The field.
        field: &'static str,
        /// The action that has a use for it.
        with: crate::Action,
        /// The action.
        action: crate::Action,
    },
    /// A placeholder that a text could not be put back for.
    #[error("a placeholder with `redact: reversible` has 1 to {most} characters and no white space, such as `[mail]`")]
    Mask {
        /// The most characters.
        most: usize,
    },
    /// A share that is not one.
    #[error("`{found}` is not a share: write a number of percent such as `25%`, from `0%` to `100%`")]
    Share {
        /// The text.
        found: String,
    },
    /// A day that is not one.
    #[error("`{found}` is not a day: write one such as `2026-12-31`")]
    Day {
        /// The text.
        found: String,
    },
    /// A weakness that is not one.
    #[error("`{found}` is not a weakness: write its number in the CWE, such as `CWE-79`")]
    Weakness {
        /// The text.
        found: String,
    },
    /// A language that is not one.
    #[error("`{found}` is not a language's code: write one such as `en` or `pt-BR`")]
    Language {
        /// The text.
        found: String,
    },
    /// A band with nothing in it.
    #[error("no score is from `{from}` and below `{below}`: let `below` be the higher one")]
    EmptyBand {
        /// Its beginning.
        from: String,
        /// Its end.
        below: String,
    },
    /// A list that says nothing.
    #[error("`{field}` is an empty list: name something, or leave the field out")]
    EmptyList {
        /// The field.
        field: &'static str,
    },
    /// Both ways of writing findings at once.
    #[error("a case has `finding` or `findings`, not both: put them in one list")]
    FindingAndFindings,
}

/// One problem a line.
fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The failures nobody answers, as a reader would list them.
fn unanswered(failures: &[(FindingId, Stage)]) -> String {
    let named = |(id, stage): &(FindingId, Stage)| format!("`{id}` at stage `{stage}`");
    failures.iter().map(named).collect::<Vec<_>>().join(", ")
}
