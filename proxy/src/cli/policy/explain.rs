//! `ringfence policy explain`: why a record says what it says, and what would have to be different.

use std::{io::Write, path::PathBuf};

use clap::Args;
use policies::{Action, PolicySet, Reason, Severity};
use uuid::Uuid;

use super::Desk;
use crate::audit::{self, Record, visible};

/// The arguments of `ringfence policy explain`.
#[derive(Debug, Clone, Args)]
pub(super) struct ExplainArgs {
    /// The id in `x-ringfence-decision`, or a record's sequence number
    #[arg(value_name = "RECORD")]
    record: String,
    /// The directory of the audit log [default: the one `serve` writes]
    #[arg(long, value_name = "DIR")]
    audit: Option<PathBuf>,
    /// The policies that decided, files or `pack:NAME` [default: those of the configuration]
    #[arg(long, value_name = "POLICY")]
    policy: Vec<String>,
}

/// Explains the records of an exchange, or one; true if there is any.
pub(super) fn run(desk: &Desk, arguments: &ExplainArgs, out: &mut dyn Write) -> anyhow::Result<bool> {
    let number = arguments.record.parse::<u64>().ok();
    let exchange = Uuid::parse_str(&arguments.record).ok();
    if number.is_none() && exchange.is_none() {
        anyhow::bail!("`{}` is no record: give an exchange's id or a record's number", arguments.record);
    }
    let policies = desk.set(&arguments.policy)?;
    let mut found = 0;
    for line in audit::read(&desk.audit(arguments.audit.as_ref())?)? {
        let Ok(record) = line.and_then(|line| line.record()) else { continue };
        if number == Some(record.sequence) || exchange == Some(record.draft.exchange) {
            found += 1;
            explain(&record, &policies, out)?;
        }
    }
    if found == 0 {
        writeln!(out, "the log has no record `{}`", visible(&arguments.record))?;
    }
    Ok(found > 0)
}

fn explain(record: &Record, policies: &PolicySet, out: &mut dyn Write) -> std::io::Result<()> {
    let draft = &record.draft;
    let place = draft.field.as_deref().unwrap_or("a text");
    let stage = draft.stage.map_or_else(|| draft.event.to_string(), |stage| stage.to_string());
    writeln!(out, "#{} {}: {} at {stage}, {}", record.sequence, record.time, visible(place), draft.decision)?;
    if let Some(note) = &draft.note {
        writeln!(out, "  {}", visible(note))?;
    }
    let same = draft.policy_hash == policies.hash();
    if draft.reasons.is_empty() && draft.note.is_none() {
        let found = draft.findings.len();
        writeln!(out, "  no rule answers what was found ({found} findings), so it passes")?;
    }
    for reason in &draft.reasons {
        tell(reason, draft.decision, same.then_some(policies), out)?;
    }
    let deciding = || draft.reasons.iter().filter(|reason| reason.action == draft.decision);
    if draft.decision > Action::Allow && deciding().next().is_some() {
        let milder = draft.reasons.iter().map(|reason| reason.action).filter(|action| *action < draft.decision).max();
        let rules: std::collections::BTreeSet<String> =
            deciding().map(|reason| format!("{}/{}", reason.policy, reason.rule)).collect();
        let rules = rules.into_iter().collect::<Vec<_>>().join(" and ");
        let milder = milder.unwrap_or(Action::Allow);
        writeln!(out, "  without {}, it would be: {milder}", visible(&rules))?;
    }
    if !draft.reasons.is_empty() && !same {
        writeln!(
            out,
            "  (other policies decided than those given; name the ones that did with --policy to learn more)"
        )?;
    }
    Ok(())
}

fn tell(reason: &Reason, decided: Action, policies: Option<&PolicySet>, out: &mut dyn Write) -> std::io::Result<()> {
    let rule = format!("{}/{}", reason.policy, reason.rule);
    let mark = if reason.action == decided && decided > Action::Allow { "decided" } else { "matched" };
    writeln!(
        out,
        "  {mark}: {} asks for {} because of {}, {}, score {:.2}: {}",
        visible(&rule),
        reason.action,
        reason.finding,
        reason.severity,
        reason.score,
        visible(&reason.why)
    )?;
    if let Some(would) = &reason.would {
        writeln!(out, "    it would have asked for {}, but {}", would.action, visible(&would.because.to_string()))?;
    }
    let Some(policies) = policies else { return Ok(()) };
    let policy = policies.policies().iter().find(|policy| policy.name() == reason.policy);
    let Some(rule) = policy.and_then(|policy| policy.rules().iter().find(|rule| rule.id == reason.rule)) else {
        return Ok(());
    };
    let mut ways = Vec::new();
    let least = rule.findings.iter().filter(|selector| reason.finding.is_within(&selector.id));
    if let Some(band) = least.map(|selector| selector.score.unwrap_or(rule.score)).next()
        && band.from > 0.0
    {
        ways.push(format!("the score is below {}", band.from));
    }
    if rule.severity > Severity::Advice {
        ways.push(format!("the severity is below {}", rule.severity));
    }
    ways.push("it is monitored (`mode: monitor`)".to_owned());
    ways.push("it has an exception for this finding".to_owned());
    writeln!(
        out,
        "    it stands in {}:{}; it does not ask for that when {}",
        visible_file(policy),
        rule.line,
        ways.join(", or ")
    )
}

fn visible_file(policy: Option<&policies::Policy>) -> String {
    policy.map_or_else(String::new, |policy| visible(policy.file()).to_string())
}
