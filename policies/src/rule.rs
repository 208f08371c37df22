//! One rule: these findings, in this scope, call for this action.

use crate::{
    Action, Band, Exception, Finding, FindingId, Force, Mode, Reason, Scope, Selector, Severity, Share, Situation,
    Spared, Stage, Turn, Wording, Would,
    decision::Extent,
    error::Fault,
    exception::EXCEPTION,
    fields::{Shape, Table, field, needed, words},
    glob::Glob,
    reader::{Fields, Reader},
    scope::SCOPE,
    select, wording,
    yaml::Node,
};

/// One rule of a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name within the policy.
    pub id: String,
    /// The findings it answers, each with all that lies below.
    pub findings: Vec<Selector>,
    /// Where it applies.
    pub scope: Scope,
    /// The mildest severity it answers.
    pub severity: Severity,
    /// The scores it answers.
    pub score: Band,
    /// Patterns for the programming language of a finding; an empty list asks nothing.
    pub languages: Vec<Glob>,
    /// The weaknesses it answers, as numbers of the CWE; an empty list asks nothing.
    pub weaknesses: Vec<u16>,
    /// What it asks for.
    pub action: Action,
    /// What it asks for of a text in an earlier turn, where that is something else.
    pub earlier: Option<Action>,
    /// What stands in for the redacted text; only with [`Action::Redact`].
    pub placeholder: Option<String>,
    /// How much of the text is redacted; only with [`Action::Redact`].
    pub redact: Extent,
    /// How its refusal is told, where that differs; only with [`Action::Block`].
    pub refusal: Option<Wording>,
    /// How far it is in force.
    pub force: Force,
    /// What it leaves alone for a while.
    pub exceptions: Vec<Exception>,
    /// Why it exists.
    pub why: String,
    /// The line of its file.
    pub line: u64,
}

/// The most characters of a placeholder.
const LONGEST: usize = 64;

pub(crate) static RULE: Table = Table {
    of: "a rule",
    groups: &[
        &[
            needed("id", Shape::Name, "its name in records"),
            needed(
                "finding",
                select::SHAPE,
                "a path; all findings below it are meant. Or `{id, score}`, where one needs scores of its own",
            ),
            field("severity", Shape::Word(|| words(&SEVERITIES)), "this and above: `advice`, `warning`, `error`"),
            field("score", select::BAND_SHAPE, "this and above, 0 to 1; or `{from, below}`"),
            field("language", Shape::Several(&Shape::Pattern), "the programming language of a finding in code"),
            field("cwe", Shape::Several(&Shape::Weakness), "the weakness of a finding: `CWE-79`, or `79`"),
        ],
        &SCOPE,
        &[
            needed("action", Shape::Word(|| words(&ACTIONS)), "`allow`, `flag`, `redact` or `block`"),
            field(
                "earlier",
                Shape::Word(|| words(&ACTIONS)),
                "the action for a text in an earlier turn, which the client sends again: with `redact` one blocked turn does not end a conversation for good",
            ),
            field(
                "redact",
                Shape::Word(|| words(&EXTENTS)),
                "with `redact`: only the `finding` (the default); the whole `text`; or `reversible`: masked with a number in what the model reads, and put back into the answer",
            ),
            field("placeholder", Shape::Line(LONGEST), "with `redact`: what stands in for the text"),
            field(
                "refusal",
                wording::SHAPE,
                "with `block`: `error` or `message`, or `{style, text}`; `text` is one text, or one for each language (`{en: …, de: …}`)",
            ),
            field(
                "mode",
                Shape::Word(|| words(&Mode::ALL)),
                "`enforce`, or `monitor`: what the rule would do is recorded and counted, and costs nothing",
            ),
            field(
                "roll-out",
                Shape::Share,
                "the share of callers it is enforced for, such as `25%`; for the others it is monitored",
            ),
            field("except", Shape::Parts(&EXCEPTION), "what the rule leaves alone for a while, see below"),
            needed("why", Shape::Text, "why the rule exists, for the reader of a record"),
        ],
    ],
};

impl Rule {
    /// Reads one entry of `rules:`, of a policy in this mode; none after a fault.
    pub(crate) fn read(node: Node, mode: Mode, reader: &mut Reader<'_>) -> Option<Self> {
        let mut fields = reader.fields(node, &RULE)?;
        let line = fields.place().line;
        let id = fields.take("id").and_then(|node| reader.name(&node, "id"));
        let findings =
            fields.take("finding").map_or_else(Vec::new, |node| reader.one_or_more(&node, "finding", Selector::read));
        let scope = Scope::read(&mut fields, reader);
        let severity = fields.take("severity").map(|node| reader.severity(&node));
        let band = fields.take("score").map(|node| Band::read(&node, reader));
        let languages = fields.take("language").map_or_else(Vec::new, |node| {
            reader.one_or_more(&node, "language", |reader, node| reader.glob(node, "language"))
        });
        let weaknesses = fields.take("cwe").map_or_else(Vec::new, |node| {
            reader.one_or_more(&node, "cwe", |reader, node| reader.weakness(node, "cwe"))
        });
        let action = fields.take("action").and_then(|node| reader.action(&node, "action"));
        let earlier = fields.take("earlier").map(|node| reader.action(&node, "earlier"));
        let asks = Asks { action, earlier: earlier.flatten() };
        let extent = asks.only(Action::Redact, &mut fields, reader, "redact");
        let extent = extent.map(|node| reader.word(&node, "redact", "a thing to redact", &EXTENTS));
        let extent = extent.unwrap_or(Some(Extent::Finding));
        let placeholder = asks.only(Action::Redact, &mut fields, reader, "placeholder");
        let placeholder = placeholder.and_then(|node| placeholder_of(&node, extent, reader));
        let refusal = asks.only(Action::Block, &mut fields, reader, "refusal");
        let refusal = refusal.and_then(|node| Wording::read(node, reader));
        let own = fields.take("mode").map(|node| reader.mode(&node));
        let share = fields.take("roll-out").map(|node| reader.share(&node, "roll-out"));
        let exceptions = fields.take("except").map_or_else(Vec::new, |node| reader.list(node, "except"));
        let exceptions =
            exceptions.into_iter().map_while(|node| (!reader.is_full()).then(|| Exception::read(node, reader)));
        let exceptions = exceptions.flatten().collect();
        let why = fields.take("why").and_then(|node| reader.text(&node, "why"));
        Some(Self {
            id: id?,
            findings,
            scope,
            severity: severity.unwrap_or(Some(Severity::Advice))?,
            score: band.unwrap_or(Some(Band::ALL))?,
            languages,
            weaknesses,
            action: action?,
            earlier: match earlier {
                Some(earlier) => Some(earlier?),
                None => None,
            },
            placeholder,
            redact: extent?,
            refusal,
            force: Force { mode: own.unwrap_or(Some(mode))?, share: share.unwrap_or(Some(Share::ALL))? },
            exceptions,
            why: why?,
            line,
        })
    }

    /// Whether the rule answers this finding in this situation, in force or not.
    pub(crate) fn matches(&self, situation: &Situation, finding: &Finding) -> bool {
        finding.severity >= self.severity
            && self.findings.iter().any(|selector| selector.means(finding, self.score))
            && (self.languages.is_empty() || finding.language.as_deref().is_some_and(|language| self.speaks(language)))
            && (self.weaknesses.is_empty() || finding.cwe.is_some_and(|cwe| self.weaknesses.contains(&cwe)))
            && self.scope.covers(situation)
    }

    /// Whether the rule answers every finding with this id at this stage, whatever else is the case.
    pub(crate) fn always_answers(&self, id: &FindingId, stage: Stage) -> bool {
        let selects =
            |selector: &Selector| id.is_within(&selector.id) && selector.score.unwrap_or(self.score).is_everything();
        self.severity == Severity::Advice
            && self.findings.iter().any(selects)
            && self.languages.is_empty()
            && self.weaknesses.is_empty()
            && self.force.is_whole()
            && self.exceptions.is_empty()
            && self.scope.covers_all_of(stage)
    }

    /// What the record says when the rule has matched: what it asks for, or what it would, and why not.
    pub(crate) fn reason(&self, policy: &str, situation: &Situation, finding: &Finding) -> Reason {
        let asked = self.earlier.filter(|_| situation.turn == Turn::Earlier).unwrap_or(self.action);
        let would = self.spared(situation, finding).filter(|_| asked != Action::Allow);
        let would = would.map(|because| Would { action: asked, because });
        let action = if would.is_some() { Action::Allow } else { asked };
        Reason {
            policy: policy.to_owned(),
            rule: self.id.clone(),
            action,
            would,
            finding: finding.id.clone(),
            severity: finding.severity,
            score: finding.score,
            span: finding.span.clone(),
            cwe: finding.cwe,
            why: self.why.clone(),
            placeholder: self.placeholder.clone().filter(|_| action == Action::Redact),
            redact: if action == Action::Redact { self.redact } else { Extent::Finding },
        }
    }

    fn spared(&self, situation: &Situation, finding: &Finding) -> Option<Spared> {
        let exception = self.exceptions.iter().find(|exception| exception.holds(situation, finding));
        let exception =
            exception.map(|exception| Spared::Exception { owner: exception.owner.clone(), until: exception.until });
        exception.or_else(|| self.force.spares(situation))
    }

    fn speaks(&self, language: &str) -> bool {
        let lowercase = language.to_ascii_lowercase();
        self.languages.iter().any(|glob| glob.matches(&lowercase))
    }
}

pub(crate) static SEVERITIES: [(&str, Severity); 3] =
    [("advice", Severity::Advice), ("warning", Severity::Warning), ("error", Severity::Error)];
pub(crate) static ACTIONS: [(&str, Action); 4] =
    [("allow", Action::Allow), ("flag", Action::Flag), ("redact", Action::Redact), ("block", Action::Block)];
static EXTENTS: [(&str, Extent); 3] =
    [("finding", Extent::Finding), ("text", Extent::Text), ("reversible", Extent::Reversible)];

impl Reader<'_> {
    /// A severity.
    pub(crate) fn severity(&mut self, node: &Node) -> Option<Severity> {
        self.word(node, "severity", "a severity", &SEVERITIES)
    }

    /// An action.
    pub(crate) fn action(&mut self, node: &Node, field: &'static str) -> Option<Action> {
        self.word(node, field, "an action", &ACTIONS)
    }

    /// A mode.
    pub(crate) fn mode(&mut self, node: &Node) -> Option<Mode> {
        self.word(node, "mode", "a mode", &Mode::ALL)
    }
}

/// What stands in for a text; short and in one piece where it is to be found again.
fn placeholder_of(node: &Node, extent: Option<Extent>, reader: &mut Reader<'_>) -> Option<String> {
    const SHORT: usize = 24;
    let text = reader.line(node, "placeholder", LONGEST)?;
    if extent == Some(Extent::Reversible) && (text.chars().count() > SHORT || text.contains(char::is_whitespace)) {
        reader.note(node.place, Fault::Mask { most: SHORT });
        return None;
    }
    Some(text)
}

/// What a rule asks for, as far as it could be read.
struct Asks {
    action: Option<Action>,
    earlier: Option<Action>,
}

impl Asks {
    /// Takes a field that makes sense with one action only.
    fn only(&self, with: Action, fields: &mut Fields, reader: &mut Reader<'_>, field: &'static str) -> Option<Node> {
        let node = fields.take(field)?;
        let asks = [self.action, self.earlier];
        if let Some(action) = self.action
            && !asks.contains(&Some(with))
        {
            reader.note(node.place, Fault::Unused { field, with, action });
        }
        Some(node)
    }
}
