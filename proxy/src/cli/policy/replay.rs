//! `ringfence policy replay`: what other policies would have made of recorded traffic.
//!
//! Decided from the findings that the records hold. Records of versions that kept only what a rule had matched are decided
//! from that, and counted apart: other policies may have seen more in them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use policies::{Action, Decision, Finding, PolicySet, Provenance, Reason, Situation, Stage, Turn};
use serde_json::{Value, json};

use super::{
    Desk, Format,
    junit::{self, Trial},
};
use crate::audit::{self, Event, Record, visible};

/// The arguments of `ringfence policy replay`.
#[derive(Debug, Clone, Args)]
pub(super) struct ReplayArgs {
    /// The directory of the audit log [default: the one `serve` writes]
    #[arg(long, value_name = "DIR")]
    audit: Option<PathBuf>,
    /// The policies to decide with, files or `pack:NAME`; may be repeated [default: those of the configuration]
    #[arg(long, value_name = "POLICY")]
    policy: Vec<String>,
    /// How many records are shown for each kind of change
    #[arg(long, value_name = "N", default_value_t = 3)]
    samples: usize,
    /// Which changes make the exit code 1
    #[arg(long, value_enum, default_value_t = FailOn::Any)]
    fail_on: FailOn,
    /// How to show them
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Which changes count as failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Every change
    Any,
    /// What is done becomes milder
    Milder,
    /// What is done becomes stricter
    Stricter,
    /// None
    Never,
}

/// Decides a log again and shows what changes; true if nothing does that counts.
pub(super) fn run(desk: &Desk, arguments: &ReplayArgs, out: &mut dyn Write) -> anyhow::Result<bool> {
    let policies = desk.set(&arguments.policy)?;
    let mut replay = Replay {
        policies,
        most: arguments.samples,
        decided: 0,
        same: 0,
        partial: 0,
        unreadable: 0,
        changes: BTreeMap::new(),
    };
    for line in audit::read(&desk.audit(arguments.audit.as_ref())?)? {
        match line.and_then(|line| line.record()) {
            Ok(record) => replay.take(&record),
            Err(_) => replay.unreadable += 1,
        }
    }
    match arguments.format {
        Format::Text => replay.text(out)?,
        Format::Json => writeln!(out, "{}", replay.json())?,
        Format::Junit => replay.junit(out, arguments.fail_on)?,
    }
    Ok(!replay.changes.keys().any(|change| change.counts(arguments.fail_on)))
}

/// What came of it.
struct Replay {
    policies: PolicySet,
    most: usize,
    decided: u64,
    same: u64,
    /// Records that hold only what a rule had matched.
    partial: u64,
    unreadable: u64,
    changes: BTreeMap<Change, Changed>,
}

/// One kind of change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    stage: Stage,
    from: Action,
    to: Action,
    /// What it would become if everything were in force.
    would: Action,
    /// The rules that make it so, or that no longer do.
    rules: String,
}

#[derive(Default)]
struct Changed {
    count: u64,
    samples: Vec<Value>,
}

impl Change {
    fn counts(&self, fail_on: FailOn) -> bool {
        match fail_on {
            FailOn::Any => self.from != self.to,
            FailOn::Milder => self.to < self.from,
            FailOn::Stricter => self.to > self.from,
            FailOn::Never => false,
        }
    }
}

impl Replay {
    fn take(&mut self, record: &Record) {
        let draft = &record.draft;
        let (Event::Decision, Some(stage)) = (draft.event, draft.stage) else { return };
        self.decided += 1;
        let decision = self.decide(record, stage);
        let (from, to, would) = (draft.decision, decision.action, decision.would());
        if from == to && would == to {
            self.same += 1;
            return;
        }
        // Of a decision that becomes milder, the rules that no longer speak; else those that speak now.
        let rules: BTreeSet<String> = if to < from {
            draft.reasons.iter().filter(|reason| reason.action == from).map(name).collect()
        } else {
            let asked = |reason: &Reason| reason.would.as_ref().map_or(reason.action, |would| would.action);
            decision.reasons.iter().filter(|reason| asked(reason) == would.max(to)).map(name).collect()
        };
        let change = Change { stage, from, to, would, rules: rules.into_iter().collect::<Vec<_>>().join(", ") };
        let changed = self.changes.entry(change).or_default();
        changed.count += 1;
        if changed.samples.len() < self.most {
            let text = draft.content.as_ref().and_then(|content| content.text()).unwrap_or_default();
            let text: String = text.chars().take(160).collect();
            changed.samples.push(json!({
                "sequence": record.sequence,
                "exchange": draft.exchange,
                "time": record.time,
                "field": draft.field,
                "text": text,
            }));
        }
    }

    /// The decision of the policies on what a record holds.
    fn decide(&mut self, record: &Record, stage: Stage) -> Decision {
        let draft = &record.draft;
        let writer = draft.provenance.unwrap_or(match stage {
            Stage::Input => Provenance::User,
            Stage::Output => Provenance::Assistant,
        });
        let mut seen: Vec<(Provenance, Turn, Finding)> =
            draft.findings.iter().map(|seen| (seen.provenance.unwrap_or(writer), seen.turn, seen.finding())).collect();
        if seen.is_empty() && !draft.reasons.is_empty() {
            self.partial += 1;
            seen.extend(draft.reasons.iter().map(|reason| (writer, draft.turn, finding(reason))));
        }
        let mut whole = Decision { action: Action::Allow, reasons: Vec::new() };
        // A decision is the strictest over single findings, so each may be decided on alone.
        for (provenance, turn, finding) in seen {
            let situation = Situation {
                stage,
                provenance,
                turn,
                tenant: draft.tenant.clone(),
                groups: draft.groups.clone(),
                route: draft.route.clone(),
                dialect: draft.dialect.clone().unwrap_or_default(),
                model: draft.model.clone().unwrap_or_default(),
                now: record.time.seconds(),
                roll_out_key: draft.place.unwrap_or_default(),
            };
            let decision = self.policies.decide(&situation, &[finding]);
            whole.action = whole.action.max(decision.action);
            whole.reasons.extend(decision.reasons);
        }
        whole
    }

    fn text(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        writeln!(out, "{:<7} {:<7} {:<7} {:<7} {:>7}  rules", "stage", "was", "becomes", "would", "records")?;
        for (change, changed) in &self.changes {
            let Change { stage, from, to, would, rules } = change;
            let would = if would == to { String::new() } else { would.to_string() };
            let rules = visible(rules);
            writeln!(
                out,
                "{:<7} {:<7} {:<7} {would:<7} {:>7}  {rules}",
                stage.to_string(),
                from.to_string(),
                to.to_string(),
                changed.count
            )?;
            for sample in &changed.samples {
                let text = |name: &str| sample.get(name).and_then(Value::as_str).unwrap_or_default();
                let line = format!("{} {}: {}", text("exchange"), text("field"), text("text").replace('\n', " "));
                writeln!(out, "          {}", visible(&line))?;
            }
        }
        writeln!(out, "{} decisions, {} stay as they were", self.decided, self.same)?;
        if self.partial > 0 {
            writeln!(out, "{} of them hold only what a rule had matched", self.partial)?;
        }
        if self.unreadable > 0 {
            writeln!(out, "{} lines hold no record", self.unreadable)?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let changes = self.changes.iter().map(|(change, changed)| {
            let Change { stage, from, to, would, rules } = change;
            json!({
                "stage": stage, "was": from, "becomes": to, "would": would, "rules": rules,
                "records": changed.count, "samples": changed.samples,
            })
        });
        json!({
            "policy_hash": self.policies.hash(),
            "decisions": self.decided,
            "same": self.same,
            "partial": self.partial,
            "unreadable": self.unreadable,
            "changes": changes.collect::<Vec<_>>(),
        })
    }

    fn junit(&self, out: &mut dyn Write, fail_on: FailOn) -> anyhow::Result<()> {
        let trials: Vec<Trial> = self
            .changes
            .iter()
            .map(|(change, changed)| {
                let Change { stage, from, to, rules, .. } = change;
                let name = format!("{stage}: {from} becomes {to} ({rules})");
                let failure = change.counts(fail_on).then(|| format!("{} records", changed.count));
                Trial { class: "replay".to_owned(), name, failure }
            })
            .collect();
        Ok(junit::write(out, "ringfence policy replay", &trials)?)
    }
}

/// The finding that a rule had matched, as far as its reason tells.
fn finding(reason: &Reason) -> Finding {
    Finding {
        id: reason.finding.clone(),
        severity: reason.severity,
        score: reason.score,
        span: 0..0,
        message: String::new(),
        language: None,
        cwe: reason.cwe,
    }
}

fn name(reason: &Reason) -> String {
    format!("{}/{}", reason.policy, reason.rule)
}
