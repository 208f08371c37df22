//! One policy: one file, its rules and their cases.

use crate::{
    Action, Case, CaseFailure, Catalog, Decision, Finding, PolicyError, Problem, Rule, Situation,
    error::{Fault, Place},
    reader::Reader,
    yaml::{self, Node},
};

/// A file of rules, with the cases that test them.
///
/// *Invariant: names only findings of the catalog it was parsed with, and no two of its rules share an id.*
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    name: String,
    file: String,
    text: String,
    rules: Vec<Rule>,
    cases: Vec<Case>,
}

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
            (Some((name, rules, cases)), faults) if faults.is_empty() => {
                Ok(Self { name, file: file.to_owned(), text: text.replace("\r\n", "\n"), rules, cases })
            }
            (_, faults) => {
                let problem = |(place, fault)| Problem { file: file.to_owned(), place, fault };
                Err(PolicyError::File(faults.into_iter().map(problem).collect()))
            }
        }
    }

    /// What the rules make of the findings: the strictest action any of them asks for, and every reason;
    /// [`Action::Allow`] without a reason when no rule matches.
    pub fn decide(&self, situation: &Situation, findings: &[Finding]) -> Decision {
        let mut decision = Decision { action: Action::Allow, reasons: Vec::new() };
        for rule in &self.rules {
            for finding in findings.iter().filter(|finding| rule.matches(situation, finding)) {
                decision.action = decision.action.max(rule.action_in(situation));
                decision.reasons.push(rule.reason(&self.name, situation, finding));
            }
        }
        decision
    }

    /// Runs the cases and gives back those that fail.
    pub fn run_cases(&self) -> Vec<CaseFailure> {
        let failure = |case: &Case| {
            let decision = self.decide(&case.situation, &case.findings);
            (decision.action != case.expect).then(|| CaseFailure {
                file: self.file.clone(),
                place: case.place,
                expected: case.expect,
                decision,
            })
        };
        self.cases.iter().filter_map(failure).collect()
    }

    /// The rules that no case reaches: nothing shows that they can ever match.
    pub fn untested_rules(&self) -> Vec<&Rule> {
        let reaches = |case: &Case, rule: &Rule| case.findings.iter().any(|seen| rule.matches(&case.situation, seen));
        self.rules.iter().filter(|rule| !self.cases.iter().any(|case| reaches(case, rule))).collect()
    }

    /// The name it goes by in records.
    pub fn name(&self) -> &str {
        &self.name
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
        &self.rules
    }

    /// Its cases, in the order of the file.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }
}

/// Reads the whole of a file; what it gives counts only when no fault was noted.
fn read(node: Node, reader: &mut Reader<'_>) -> Option<(String, Vec<Rule>, Vec<Case>)> {
    let mut fields = reader.fields(node, "a policy", &["policy", "rules", "cases"])?;
    let name = fields.need(reader, "policy").and_then(|node| reader.name(&node, "policy"));
    let nodes = fields.need(reader, "rules").map_or_else(Vec::new, |node| reader.list(node, "rules"));
    let mut rules = Vec::new();
    let mut ids: Vec<(String, Place)> = Vec::new();
    for node in nodes {
        if reader.is_full() {
            break;
        }
        let place = node.place;
        let Some(rule) = Rule::read(node, reader) else { continue };
        if let Some((id, first)) = ids.iter().find(|(id, _)| *id == rule.id) {
            reader.note(place, Fault::SameRule { id: id.clone(), first: first.line });
        }
        ids.push((rule.id.clone(), place));
        rules.push(rule);
    }
    let nodes = fields.take("cases").map_or_else(Vec::new, |node| reader.list(node, "cases"));
    let cases = nodes.into_iter().map_while(|node| (!reader.is_full()).then(|| Case::read(node, reader)));
    let cases = cases.flatten().collect();
    Some((name?, rules, cases))
}
