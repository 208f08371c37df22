//! A case: the test that stands beside the rules.

use std::fmt;

use crate::{
    Action, Decision, Finding, Provenance, Severity, Situation, Stage, Turn,
    error::{Fault, Place},
    reader::Reader,
    yaml::Node,
};

/// What is seen, where, and what the policy must make of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Where and for whom. What the case leaves open is: the person's text at stage `input` and the model's at `output`,
    /// tenant `default`, route `/v1/chat/completions`, dialect `openai-chat`, model `default`.
    pub situation: Situation,
    /// What the detectors have seen; severity `error` and score 1 where the case leaves them open.
    pub findings: Vec<Finding>,
    /// The action it must come to.
    pub expect: Action,
    /// Where it stands in its file.
    pub place: Place,
}

impl Case {
    /// Reads one entry of `cases:`; none after a fault.
    pub(crate) fn read(node: Node, reader: &mut Reader<'_>) -> Option<Self> {
        const FIELDS: [&str; 10] =
            ["stage", "provenance", "turn", "tenant", "route", "dialect", "model", "finding", "findings", "expect"];
        const TURNS: [(&str, Turn); 2] = [("current", Turn::Current), ("earlier", Turn::Earlier)];
        let mut fields = reader.fields(node, "a case", &FIELDS)?;
        let place = fields.place();
        let stage = fields.need(reader, "stage").and_then(|node| reader.stage(&node));
        let provenance = fields.take("provenance").map(|node| reader.provenance(&node));
        let turn = fields.take("turn").map(|node| reader.word(&node, "turn", "a turn", &TURNS));
        let mut text = |field, default: &str| {
            let node = fields.take(field);
            node.map_or_else(|| Some(default.to_owned()), |node| reader.text(&node, field))
        };
        let (tenant, route) = (text("tenant", "default"), text("route", "/v1/chat/completions"));
        let (dialect, model) = (text("dialect", "openai-chat"), text("model", "default"));
        let one = fields.take("finding");
        let several = fields.take("findings");
        if let (Some(_), Some(several)) = (&one, &several) {
            reader.note(several.place, Fault::FindingAndFindings);
        }
        let several = several.map_or_else(Vec::new, |node| reader.list(node, "findings"));
        let findings: Option<Vec<Finding>> = one.into_iter().chain(several).map(|node| finding(node, reader)).collect();
        let expect = fields.need(reader, "expect").and_then(|node| reader.action(&node, "expect"));
        let stage = stage?;
        let writer = match stage {
            Stage::Input => Provenance::User,
            Stage::Output => Provenance::Assistant,
        };
        Some(Self {
            situation: Situation {
                stage,
                provenance: provenance.unwrap_or(Some(writer))?,
                turn: turn.unwrap_or(Some(Turn::Current))?,
                tenant: tenant?,
                groups: Vec::new(),
                route: route?,
                dialect: dialect?,
                model: model?,
                now: 0,
                roll_out_key: 0,
            },
            findings: findings?,
            expect: expect?,
            place,
        })
    }
}

/// A case that came to another action than it expects.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseFailure {
    /// The file's name as it was given.
    pub file: String,
    /// Where the case stands.
    pub place: Place,
    /// The action it expects.
    pub expected: Action,
    /// What the policy says.
    pub decision: Decision,
}

impl fmt::Display for CaseFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, place, expected, decision } = self;
        let Place { line, column } = place;
        write!(f, "{file}:{line}:{column}: the case expects `{expected}`, the policy says `{}`", decision.action)?;
        let strictest = decision.reasons.iter().find(|reason| reason.action == decision.action);
        match strictest {
            Some(reason) => write!(f, " by its rule `{}`", reason.rule),
            None => f.write_str(": no rule matches"),
        }
    }
}

/// Reads `{id, severity, score}`; nothing more once enough faults are known, since a guess for each of many takes time.
fn finding(node: Node, reader: &mut Reader<'_>) -> Option<Finding> {
    if reader.is_full() {
        return None;
    }
    let mut fields = reader.fields(node, "a finding", &["id", "severity", "score"])?;
    let id = fields.need(reader, "id").and_then(|node| reader.finding(&node, "id"));
    let severity = fields.take("severity").map(|node| reader.severity(&node));
    let score = fields.take("score").map(|node| reader.score(&node, "score"));
    Some(Finding {
        id: id?,
        severity: severity.unwrap_or(Some(Severity::Error))?,
        score: score.unwrap_or(Some(1.0))?,
        span: 0..0,
        message: "a case".to_owned(),
        language: None,
        cwe: None,
    })
}
