//! Which findings a rule answers.

use crate::{
    Finding, FindingId,
    error::Fault,
    fields::{Shape, Table, field, needed},
    reader::Reader,
    yaml::{Node, Value},
};

/// A path, and the scores of what lies below it that count.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// The path; all findings below it are meant.
    pub id: FindingId,
    /// The scores, where they differ from the rule's own.
    pub score: Option<Band>,
}

pub(crate) static SELECTOR: Table = Table {
    of: "a finding",
    groups: &[&[
        needed("id", Shape::Finding, "a path; all findings below it are meant"),
        field("score", BAND_SHAPE, "the scores that count for this one, in place of the rule's"),
    ]],
};

/// What `finding:` of a rule takes.
pub(crate) const SHAPE: Shape = Shape::Several(&Shape::Either(&[Shape::Finding, Shape::Part(&SELECTOR)]));

impl Selector {
    /// Reads a path, or a path with its scores.
    pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let Value::Fields(_) = node.value else {
            return reader.finding(node, "finding").map(|id| Self { id, score: None });
        };
        let mut fields = reader.fields(node.clone(), &SELECTOR)?;
        let id = fields.take("id").and_then(|node| reader.finding(&node, "id"));
        let score = fields.take("score").map(|node| Band::read(&node, reader));
        Some(Self {
            id: id?,
            score: match score {
                Some(score) => Some(score?),
                None => None,
            },
        })
    }

    /// Whether it means this finding, in a rule that otherwise asks for `score`.
    pub(crate) fn means(&self, finding: &Finding, score: Band) -> bool {
        finding.id.is_within(&self.id) && self.score.unwrap_or(score).covers(finding.score)
    }
}

/// Scores from one, included, to another, not included; 1 is within a band that has no end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    /// The lowest score that counts, 0 to 1.
    pub from: f32,
    /// The first score that no longer counts; none if all above count.
    pub below: Option<f32>,
}

static BAND: Table = Table {
    of: "a band of scores",
    groups: &[&[
        field("from", Shape::Score, "the lowest score that counts; 0 if left out"),
        field("below", Shape::Score, "the first score that no longer counts; none if left out"),
    ]],
};

/// What `score:` of a rule takes.
pub(crate) const BAND_SHAPE: Shape = Shape::Either(&[Shape::Score, Shape::Part(&BAND)]);

impl Band {
    /// Every score.
    pub const ALL: Self = Self { from: 0.0, below: None };

    pub(crate) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::Fields(_) = node.value else {
            return reader.score(node, "score").map(|from| Self { from, below: None });
        };
        let mut fields = reader.fields(node.clone(), &BAND)?;
        let from = fields.take("from").map(|node| reader.score(&node, "from"));
        let below = fields.take("below").map(|node| reader.score(&node, "below"));
        let from = from.unwrap_or(Some(0.0))?;
        let Some(below) = below else { return Some(Self { from, below: None }) };
        let below = below?;
        if below <= from {
            reader.note(node.place, Fault::EmptyBand { from: from.to_string(), below: below.to_string() });
            return None;
        }
        Some(Self { from, below: Some(below) })
    }

    /// Whether a score counts.
    ///
    /// One that is not a number counts always: a detector that cannot say how sure it is, is not ignored.
    pub fn covers(self, score: f32) -> bool {
        score.is_nan() || (score >= self.from && self.below.is_none_or(|below| score < below))
    }

    /// Whether every score counts, whatever a detector says.
    pub(crate) fn is_everything(self) -> bool {
        self.from <= 0.0 && self.below.is_none()
    }
}

impl std::fmt::Display for Band {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.below {
            Some(below) => write!(f, "{} to {below}", self.from),
            None => write!(f, "{} and above", self.from),
        }
    }
}
