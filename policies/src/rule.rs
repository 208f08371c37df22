//! One rule: these findings, in this scope, call for this action.

use crate::{
    Action, Finding, FindingId, Reason, Severity, Situation, Stage, Turn,
    error::Fault,
    reader::{Fields, Reader},
    scope::Scope,
    yaml::{Node, Value},
};

/// One rule of a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name within the policy.
    pub id: String,
    /// The findings it answers, each with all that lies below.
    pub findings: Vec<FindingId>,
    /// Where it applies.
    pub scope: Scope,
    /// The mildest severity it answers.
    pub severity: Severity,
    /// The lowest score it answers, 0 to 1.
    pub score: f32,
    /// What it asks for.
    pub action: Action,
    /// What it asks for of a text in an earlier turn, where that is something else.
    pub earlier: Option<Action>,
    /// What stands in for the redacted text; only with [`Action::Redact`].
    pub placeholder: Option<String>,
    /// Why it exists.
    pub why: String,
    /// The line of its file.
    pub line: u64,
}

impl Rule {
    /// Reads one entry of `rules:`; none after a fault.
    pub(crate) fn read(node: Node, reader: &mut Reader<'_>) -> Option<Self> {
        const OWN: [&str; 8] = ["id", "finding", "severity", "score", "action", "earlier", "placeholder", "why"];
        let known: Vec<&'static str> = OWN.into_iter().chain(Scope::FIELDS).collect();
        let mut fields = reader.fields(node, "a rule", &known)?;
        let line = fields.place().line;
        let id = fields.need(reader, "id").and_then(|node| reader.name(&node, "id"));
        let findings = fields.need(reader, "finding").map_or_else(Vec::new, |node| {
            reader.one_or_more(&node, "finding", |reader, node| reader.finding(node, "finding"))
        });
        let scope = Scope::read(&mut fields, reader);
        let severity = fields.take("severity").map(|node| reader.severity(&node));
        let least = fields.take("score").map(|node| reader.score(&node, "score"));
        let action = fields.need(reader, "action").and_then(|node| reader.action(&node, "action"));
        let earlier = fields.take("earlier").map(|node| reader.action(&node, "earlier"));
        let redacts = earlier.flatten().filter(|earlier| *earlier == Action::Redact).or(action);
        let placeholder = placeholder(&mut fields, reader, redacts);
        let why = fields.need(reader, "why").and_then(|node| reader.text(&node, "why"));
        Some(Self {
            id: id?,
            findings,
            scope,
            severity: severity.unwrap_or(Some(Severity::Advice))?,
            score: least.unwrap_or(Some(0.0))?,
            action: action?,
            earlier: match earlier {
                Some(earlier) => Some(earlier?),
                None => None,
            },
            placeholder,
            why: why?,
            line,
        })
    }

    /// Whether the rule answers this finding in this situation.
    ///
    /// A score that is not a number is taken for the highest: a detector that cannot say how sure it is, is not ignored.
    pub(crate) fn matches(&self, situation: &Situation, finding: &Finding) -> bool {
        finding.severity >= self.severity
            && (finding.score >= self.score || finding.score.is_nan())
            && self.is_about(&finding.id)
            && self.scope.covers(situation)
    }

    /// Whether the rule answers every finding with this id at this stage, whatever else is the case.
    pub(crate) fn always_answers(&self, id: &FindingId, stage: Stage) -> bool {
        self.severity == Severity::Advice && self.score <= 0.0 && self.is_about(id) && self.scope.covers_all_of(stage)
    }

    /// What the record says when the rule has matched.
    pub(crate) fn reason(&self, policy: &str, situation: &Situation, finding: &Finding) -> Reason {
        let action = self.action_in(situation);
        Reason {
            policy: policy.to_owned(),
            rule: self.id.clone(),
            action,
            finding: finding.id.clone(),
            severity: finding.severity,
            score: finding.score,
            span: finding.span.clone(),
            cwe: finding.cwe,
            why: self.why.clone(),
            placeholder: self.placeholder.clone().filter(|_| action == Action::Redact),
        }
    }

    /// What it asks for in this situation, when it has matched.
    pub(crate) fn action_in(&self, situation: &Situation) -> Action {
        self.earlier.filter(|_| situation.turn == Turn::Earlier).unwrap_or(self.action)
    }

    fn is_about(&self, id: &FindingId) -> bool {
        self.findings.iter().any(|above| id.is_within(above))
    }
}

impl Reader<'_> {
    const SEVERITIES: [(&'static str, Severity); 3] =
        [("advice", Severity::Advice), ("warning", Severity::Warning), ("error", Severity::Error)];
    const ACTIONS: [(&'static str, Action); 4] =
        [("allow", Action::Allow), ("flag", Action::Flag), ("redact", Action::Redact), ("block", Action::Block)];

    /// A severity.
    pub(crate) fn severity(&mut self, node: &Node) -> Option<Severity> {
        self.word(node, "severity", "a severity", &Self::SEVERITIES)
    }

    /// An action.
    pub(crate) fn action(&mut self, node: &Node, field: &'static str) -> Option<Action> {
        self.word(node, field, "an action", &Self::ACTIONS)
    }
}

/// Reads `placeholder:`, which only a rule that redacts may have.
fn placeholder(fields: &mut Fields, reader: &mut Reader<'_>, action: Option<Action>) -> Option<String> {
    const MOST: usize = 64;
    let node = fields.take("placeholder")?;
    if let Some(action) = action.filter(|action| *action != Action::Redact) {
        reader.note(node.place, Fault::PlaceholderUnused { action });
    }
    let fits = |text: &str| (1..=MOST).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    match &node.value {
        Value::Text(text) if !fits(text) => {
            reader.note(node.place, Fault::Placeholder { most: MOST });
            None
        }
        _ => reader.text(&node, "placeholder"),
    }
}
