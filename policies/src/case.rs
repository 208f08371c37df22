//! A case: the test that stands beside the rules.

use std::fmt;

use crate::{
    Action, Decision, Finding, Provenance, Severity, Situation, Stage, Turn,
    error::{Fault, Place},
    fields::{Shape, Table, field, needed, words},
    reader::Reader,
    rule::{ACTIONS, SEVERITIES},
    scope::{PROVENANCES, STAGES},
    yaml::Node,
};

/// What is seen, where, and what the policy must make of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Where and for whom. What the case leaves open is: the person's text at stage `input` and the model's at `output`,
    /// tenant `default`, no group, route `/v1/chat/completions`, dialect `openai-chat`, model `default`, the caller who
    /// is the first of every roll-out, the first of all days.
    pub situation: Situation,
    /// What the detectors have seen; severity `error` and score 1 where the case leaves them open.
    pub findings: Vec<Finding>,
    /// The action it must come to.
    pub expect: Action,
    /// The action it would come to if everything were in force; asks nothing if none.
    pub would: Option<Action>,
    /// Where it stands in its file.
    pub place: Place,
}

static TURNS: [(&str, Turn); 2] = [("current", Turn::Current), ("earlier", Turn::Earlier)];

static SEEN: Table = Table {
    of: "a finding",
    groups: &[&[
        needed("id", Shape::Finding, "what is seen"),
        field("severity", Shape::Word(|| words(&SEVERITIES)), "how bad it is; `error` if left out"),
        field("score", Shape::Score, "how sure the detector is; 1 if left out"),
        field("language", Shape::Name, "the programming language, for findings in code"),
        field("cwe", Shape::Weakness, "the weakness, for findings in code"),
    ]],
};

pub(crate) static CASE: Table = Table {
    of: "a case",
    groups: &[&[
        needed("stage", Shape::Word(|| words(&STAGES)), "`input` or `output`"),
        field(
            "provenance",
            Shape::Word(|| words(&PROVENANCES)),
            "who wrote the text; the person at `input`, the model at `output`",
        ),
        field("turn", Shape::Word(|| words(&TURNS)), "`current` or `earlier`"),
        field("tenant", Shape::Text, "whose traffic it is"),
        field("group", Shape::Several(&Shape::Text), "the groups of the caller's key"),
        field("route", Shape::Text, "the path of the request"),
        field("dialect", Shape::Text, "the wire format"),
        field("model", Shape::Text, "the model that the client asked for"),
        field(
            "caller",
            Shape::Share,
            "the caller's place in a roll-out: at `30%`, a rule with `roll-out: 25%` does not reach them",
        ),
        field("date", Shape::Day, "the day; before the end of every exception if left out"),
        field("finding", Shape::Part(&SEEN), "what is seen"),
        field("findings", Shape::Parts(&SEEN), "what is seen, when it is several things or nothing"),
        needed("expect", Shape::Word(|| words(&ACTIONS)), "the action it must come to"),
        field(
            "would",
            Shape::Word(|| words(&ACTIONS)),
            "the action it would come to if every rule were enforced for everybody, without exceptions",
        ),
    ]],
};

impl Case {
    /// Reads one entry of `cases:`; none after a fault.
    pub(crate) fn read(node: Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut fields = reader.fields(node, &CASE)?;
        let place = fields.place();
        let stage = fields.take("stage").and_then(|node| reader.stage(&node));
        let provenance = fields.take("provenance").map(|node| reader.provenance(&node));
        let turn = fields.take("turn").map(|node| reader.word(&node, "turn", "a turn", &TURNS));
        let mut text = |field, default: &str| {
            let node = fields.take(field);
            node.map_or_else(|| Some(default.to_owned()), |node| reader.text(&node, field))
        };
        let (tenant, route) = (text("tenant", "default"), text("route", "/v1/chat/completions"));
        let (dialect, model) = (text("dialect", "openai-chat"), text("model", "default"));
        let groups = fields.take("group").map_or_else(Vec::new, |node| {
            reader.one_or_more(&node, "group", |reader, node| reader.text(node, "group"))
        });
        let caller = fields.take("caller").map(|node| reader.share(&node, "caller"));
        let date = fields.take("date").map(|node| reader.day(&node, "date"));
        let one = fields.take("finding");
        let several = fields.take("findings");
        if let (Some(_), Some(several)) = (&one, &several) {
            reader.note(several.place, Fault::FindingAndFindings);
        }
        let several = several.map_or_else(Vec::new, |node| reader.list(node, "findings"));
        let findings: Option<Vec<Finding>> = one.into_iter().chain(several).map(|node| finding(node, reader)).collect();
        let expect = fields.take("expect").and_then(|node| reader.action(&node, "expect"));
        let would = fields.take("would").map(|node| reader.action(&node, "would"));
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
                groups,
                route: route?,
                dialect: dialect?,
                model: model?,
                now: date.map_or(Some(0), |date| Some(date?.begin()))?,
                roll_out_key: caller.map_or(Some(0), |caller| Some(caller?.key()))?,
            },
            findings: findings?,
            expect: expect?,
            would: match would {
                Some(would) => Some(would?),
                None => None,
            },
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
    /// The action it expects if everything were in force.
    pub would: Option<Action>,
    /// What the policy says.
    pub decision: Decision,
}

impl fmt::Display for CaseFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, place, expected, would, decision } = self;
        let Place { line, column } = place;
        if decision.action == *expected
            && let Some(would) = would
        {
            let says = decision.would();
            return write!(f, "{file}:{line}:{column}: the case says it would be `{would}`, the policy says `{says}`");
        }
        write!(f, "{file}:{line}:{column}: the case expects `{expected}`, the policy says `{}`", decision.action)?;
        let strictest = decision.reasons.iter().find(|reason| reason.action == decision.action);
        match strictest {
            Some(reason) => write!(f, " by its rule `{}`", reason.rule),
            None => f.write_str(": no rule matches"),
        }
    }
}

/// Reads one finding; nothing more once enough faults are known, since a guess for each of many takes time.
fn finding(node: Node, reader: &mut Reader<'_>) -> Option<Finding> {
    if reader.is_full() {
        return None;
    }
    let mut fields = reader.fields(node, &SEEN)?;
    let id = fields.take("id").and_then(|node| reader.finding(&node, "id"));
    let severity = fields.take("severity").map(|node| reader.severity(&node));
    let score = fields.take("score").map(|node| reader.score(&node, "score"));
    let language = fields.take("language").map(|node| reader.name(&node, "language"));
    let cwe = fields.take("cwe").map(|node| reader.weakness(&node, "cwe"));
    Some(Finding {
        id: id?,
        severity: severity.unwrap_or(Some(Severity::Error))?,
        score: score.unwrap_or(Some(1.0))?,
        span: 0..0,
        message: "a case".to_owned(),
        language: match language {
            Some(language) => Some(language?),
            None => None,
        },
        cwe: match cwe {
            Some(cwe) => Some(cwe?),
            None => None,
        },
    })
}
