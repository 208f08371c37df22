//! What a rule leaves alone for a while, and who answers for it.

use crate::{
    Day, Finding, FindingId, Place, Scope, Situation,
    fields::{Shape, Table, field, needed},
    reader::Reader,
    scope::SCOPE,
    yaml::Node,
};

/// What a rule leaves alone, until a day.
#[derive(Debug, Clone, PartialEq)]
pub struct Exception {
    /// Who answers for it.
    pub owner: String,
    /// Why it is.
    pub reason: String,
    /// The last day on which it holds.
    pub until: Day,
    /// The findings, each with all that lies below; all that the rule answers if there are none.
    pub findings: Vec<FindingId>,
    /// Where it holds.
    pub scope: Scope,
    /// Where it stands in its file.
    pub place: Place,
}

pub(crate) static EXCEPTION: Table = Table {
    of: "an exception",
    groups: &[
        &[
            needed("owner", Shape::Line(128), "who answers for it"),
            needed("reason", Shape::Text, "why it is"),
            needed("until", Shape::Day, "the last day on which it holds (UTC); from then on the rule is whole again"),
            field("finding", Shape::Several(&Shape::Finding), "which of the rule's findings; all if left out"),
        ],
        &SCOPE,
    ],
};

impl Exception {
    /// Reads one entry of `except:`; none after a fault.
    pub(crate) fn read(node: Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut fields = reader.fields(node, &EXCEPTION)?;
        let place = fields.place();
        let owner = fields.take("owner").and_then(|node| reader.line(&node, "owner", 128));
        let reason = fields.take("reason").and_then(|node| reader.text(&node, "reason"));
        let until = fields.take("until").and_then(|node| reader.day(&node, "until"));
        let findings = fields.take("finding").map_or_else(Vec::new, |node| {
            reader.one_or_more(&node, "finding", |reader, node| reader.finding(node, "finding"))
        });
        let scope = Scope::read(&mut fields, reader);
        Some(Self { owner: owner?, reason: reason?, until: until?, findings, scope, place })
    }

    /// Whether it holds for this finding now.
    pub(crate) fn holds(&self, situation: &Situation, finding: &Finding) -> bool {
        !self.is_over(situation.now)
            && (self.findings.is_empty() || self.findings.iter().any(|above| finding.id.is_within(above)))
            && self.scope.covers(situation)
    }

    /// Whether its last day is past.
    pub fn is_over(&self, now: u64) -> bool {
        now >= self.until.end()
    }
}

/// An exception that no longer holds, and so is to be renewed or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{file}:{}:{}: the exception of the rule `{rule}` that {owner} answers for ended on {until}: renew or remove it",
    place.line,
    place.column
)]
pub struct Expired {
    /// The file's name as it was given.
    pub file: String,
    /// Where the exception stands.
    pub place: Place,
    /// The rule.
    pub rule: String,
    /// Who answered for it.
    pub owner: String,
    /// The last day on which it held.
    pub until: Day,
}
