//! One policy: one file, its rules and their cases.

use std::collections::{BTreeMap, HashMap};

use crate::{
    Action, Case, CaseFailure, Catalog, Decision, Expired, Finding, FindingId, Glob, Mode, PolicyError, Problem, Rule,
    Scope, Situation, Stage, Wording,
    case::CASE,
    error::{Fault, Place},
    fields::{Shape, Table, field, needed, words},
    reader::Reader,
    rule::RULE,
    scope::SCOPE,
    wording,
    yaml::{self, Node},
};

/// A file of rules, with the cases that test them.
///
/// *Invariant: names only findings of the catalog it was parsed with, and no two of its rules share an id.*
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    content: Content,
    file: String,
    text: String,
    /// Patterns for the tenants it is loaded for; all if there are none.
    only: Vec<Glob>,
    /// The places in `rules` of those that name a path: only these are asked about a finding at or below it.
    named: HashMap<String, Vec<usize>>,
}

/// What a file says.
#[derive(Debug, Clone, PartialEq)]
struct Content {
    name: String,
    version: Option<String>,
    about: Option<String>,
    mode: Mode,
    refusal: Option<Wording>,
    scope: Scope,
    rules: Vec<Rule>,
    cases: Vec<Case>,
}

pub(crate) static POLICY: Table = Table {
    of: "a policy",
    groups: &[
        &[
            needed("policy", Shape::Name, "its name in records"),
            field("version", Shape::Name, "a version of your own; records carry it beside the hash of the text"),
            field("about", Shape::Text, "what it is for, for the page that is made of it"),
            field(
                "mode",
                Shape::Word(|| words(&Mode::ALL)),
                "`enforce` or `monitor`, for all rules that do not say themselves",
            ),
            field("refusal", wording::SHAPE, "how refusals are told, for all rules that do not say themselves"),
        ],
        // Where all its rules apply; what a rule says of this is asked besides.
        &SCOPE,
        &[
            needed("rules", Shape::Parts(&RULE), "its rules; their order is of no account"),
            field("cases", Shape::Parts(&CASE), "the tests of the rules"),
        ],
    ],
};

impl Policy {
    /// Reads the text of a file; `file` is what messages call it.
    ///
    /// # Errors
    /// [`PolicyError::File`] with every fault of the text, the first hundred at most; a text that is not YAML gives one.
    pub fn parse(file: &str, text: &str, catalog: &Catalog) -> Result<Self, PolicyError> {
        // Windows editors put a mark at the beginning that is no part of the text.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = Reader::new(catalog);
        let policy = match yaml::read(text) {
            Ok(node) => read(node, &mut reader),
            Err((place, fault)) => {
                reader.note(place, fault);
                None
            }
        };
        match (policy, reader.into_faults()) {
            (Some(content), faults) if faults.is_empty() => {
                let named = named(&content.rules);
                Ok(Self { content, file: file.to_owned(), text: text.replace("\r\n", "\n"), only: Vec::new(), named })
            }
            (_, faults) => {
                let problem = |(place, fault)| Problem { file: file.to_owned(), place, fault };
                Err(PolicyError::File(faults.into_iter().map(problem).collect()))
            }
        }
    }

    /// The same for some tenants only, by patterns.
    ///
    /// # Errors
    /// The pattern that cannot be one.
    pub fn only_for(mut self, tenants: &[&str]) -> Result<Self, String> {
        let globs = tenants.iter().map(|tenant| Glob::new(tenant).ok_or_else(|| (*tenant).to_owned()));
        self.only = globs.collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// What the rules make of the findings: the strictest action any of them asks for, and every reason;
    /// [`Action::Allow`] without a reason when no rule matches.
    pub fn decide(&self, situation: &Situation, findings: &[Finding]) -> Decision {
        let mut decision = Decision { action: Action::Allow, reasons: Vec::new() };
        if !self.covers(situation) {
            return decision;
        }
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        for (seen, finding) in findings.iter().enumerate() {
            let rules = finding.id.paths().filter_map(|path| self.named.get(path)).flatten();
            pairs.extend(rules.map(|rule| (*rule, seen)));
        }
        pairs.sort_unstable();
        pairs.dedup();
        for (rule, finding) in pairs.into_iter().filter_map(|(at, seen)| self.rules().get(at).zip(findings.get(seen))) {
            if rule.matches(situation, finding) {
                let reason = rule.reason(self.name(), situation, finding);
                decision.action = decision.action.max(reason.action);
                decision.reasons.push(reason);
            }
        }
        decision
    }

    /// Runs the cases, as if it were for all tenants, and gives back those that fail.
    pub fn run_cases(&self) -> Vec<CaseFailure> {
        let everywhere = Self { only: Vec::new(), ..self.clone() };
        let failure = |case: &Case| {
            let decision = everywhere.decide(&case.situation, &case.findings);
            let holds = decision.action == case.expect && case.would.is_none_or(|would| would == decision.would());
            (!holds).then(|| CaseFailure {
                file: self.file.clone(),
                place: case.place,
                expected: case.expect,
                would: case.would,
                decision,
            })
        };
        self.cases().iter().filter_map(failure).collect()
    }

    /// Whether one of its rules answers every finding with this id at this stage, whatever else is the case.
    pub(crate) fn always_answers(&self, id: &FindingId, stage: Stage) -> bool {
        self.only.is_empty()
            && self.content.scope.covers_all_of(stage)
            && self.rules().iter().any(|rule| rule.always_answers(id, stage))
    }

    fn covers(&self, situation: &Situation) -> bool {
        let tenant = situation.tenant.to_ascii_lowercase();
        (self.only.is_empty() || self.only.iter().any(|glob| glob.matches(&tenant)))
            && self.content.scope.covers(situation)
    }

    /// The rules that no case reaches: nothing shows that they can ever match.
    pub fn untested_rules(&self) -> Vec<&Rule> {
        let reaches = |case: &Case, rule: &Rule| case.findings.iter().any(|seen| rule.matches(&case.situation, seen));
        self.rules().iter().filter(|rule| !self.cases().iter().any(|case| reaches(case, rule))).collect()
    }

    /// The exceptions whose last day is past.
    pub fn expired(&self, now: u64) -> Vec<Expired> {
        let of = |rule: &Rule| {
            let over = rule.exceptions.iter().filter(|exception| exception.is_over(now));
            let expired = |exception: &crate::Exception| Expired {
                file: self.file.clone(),
                place: exception.place,
                rule: rule.id.clone(),
                owner: exception.owner.clone(),
                until: exception.until,
            };
            over.map(expired).collect::<Vec<_>>()
        };
        self.rules().iter().flat_map(of).collect()
    }

    /// How a refusal by one of its rules is told, as far as it says.
    pub fn refusal(&self, rule: &str) -> Option<&Wording> {
        let rule = self.rules().iter().find(|known| known.id == rule);
        rule.and_then(|rule| rule.refusal.as_ref()).or(self.content.refusal.as_ref())
    }

    /// The name it goes by in records.
    pub fn name(&self) -> &str {
        &self.content.name
    }

    /// The version it gives itself.
    pub fn version(&self) -> Option<&str> {
        self.content.version.as_deref()
    }

    /// Patterns for the tenants it is loaded for; all if there are none.
    pub fn only(&self) -> &[Glob] {
        &self.only
    }

    /// Where its rules apply, besides what each says itself.
    pub fn scope(&self) -> &Scope {
        &self.content.scope
    }

    /// What it is for.
    pub fn about(&self) -> Option<&str> {
        self.content.about.as_deref()
    }

    /// The mode of the rules that do not say themselves.
    pub fn mode(&self) -> Mode {
        self.content.mode
    }

    /// The file's name as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The text it was read from, lines ended by `\n` alone: YAML reads the two endings alike, so a hash must too.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its rules, in the order of the file.
    pub fn rules(&self) -> &[Rule] {
        &self.content.rules
    }

    /// Its cases, in the order of the file.
    pub fn cases(&self) -> &[Case] {
        &self.content.cases
    }
}

fn named(rules: &[Rule]) -> HashMap<String, Vec<usize>> {
    let mut named: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, rule) in rules.iter().enumerate() {
        for selector in &rule.findings {
            named.entry(selector.id.to_string()).or_default().push(at);
        }
    }
    named
}

/// Reads the whole of a file; what it gives counts only when no fault was noted.
fn read(node: Node, reader: &mut Reader<'_>) -> Option<Content> {
    let mut fields = reader.fields(node, &POLICY)?;
    let name = fields.take("policy").and_then(|node| reader.name(&node, "policy"));
    let version = fields.take("version").and_then(|node| reader.name(&node, "version"));
    let about = fields.take("about").and_then(|node| reader.text(&node, "about"));
    let mode = fields.take("mode").map_or(Some(Mode::Enforce), |node| reader.mode(&node));
    let refusal = fields.take("refusal").and_then(|node| Wording::read(node, reader));
    let scope = Scope::read(&mut fields, reader);
    let nodes = fields.take("rules").map_or_else(Vec::new, |node| reader.list(node, "rules"));
    let mut rules = Vec::new();
    let mut ids: BTreeMap<String, Place> = BTreeMap::new();
    for node in nodes {
        if reader.is_full() {
            break;
        }
        let place = node.place;
        let Some(rule) = Rule::read(node, mode.unwrap_or_default(), reader) else { continue };
        if let Some(first) = ids.get(&rule.id) {
            reader.note(place, Fault::SameRule { id: rule.id.clone(), first: first.line });
        } else {
            ids.insert(rule.id.clone(), place);
        }
        rules.push(rule);
    }
    let nodes = fields.take("cases").map_or_else(Vec::new, |node| reader.list(node, "cases"));
    let cases = nodes.into_iter().map_while(|node| (!reader.is_full()).then(|| Case::read(node, reader)));
    let cases = cases.flatten().collect();
    Some(Content { name: name?, version, about, mode: mode?, refusal, scope, rules, cases })
}
