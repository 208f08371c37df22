//! `ringfence policy diff`: where two sets of policies part.

use std::io::Write;

use policies::{Case, Decision, Policy, PolicySet};
use serde_json::json;

use super::{
    Desk, Format,
    check::case_name,
    junit::{self, Trial},
};

/// Decides the cases of both with both, and lists those that come out differently; true if none does.
pub(super) fn run(desk: &Desk, names: [&String; 2], format: Format, out: &mut dyn Write) -> anyhow::Result<bool> {
    let set = |names: &str| desk.set(&names.split('+').map(str::to_owned).collect::<Vec<_>>());
    let [one, other] = names;
    let (before, after) = (set(one)?, set(other)?);
    let mut seen: Vec<&Case> = Vec::new();
    let mut trials = Vec::new();
    let mut rows = Vec::new();
    for (policy, case) in cases(&before).chain(cases(&after)) {
        if seen.iter().any(|known| known.situation == case.situation && known.findings == case.findings) {
            continue;
        }
        seen.push(case);
        let decide = |set: &PolicySet| set.decide(&case.situation, &case.findings);
        let (old, new) = (decide(&before), decide(&after));
        let name = case_name(policy, case);
        let same = old.action == new.action && old.would() == new.would();
        let failure = (!same).then(|| format!("{} becomes {}", told(&old), told(&new)));
        if let Some(failure) = &failure
            && format == Format::Text
        {
            writeln!(out, "{name}: {failure}")?;
        }
        if !same && format == Format::Json {
            rows.push(json!({"case": name, "before": old, "after": new}));
        }
        trials.push(Trial { class: format!("{one} {other}"), name, failure });
    }
    let changed = trials.iter().filter(|trial| trial.failure.is_some()).count();
    match format {
        Format::Junit => junit::write(out, "ringfence policy diff", &trials)?,
        Format::Json => writeln!(out, "{}", json!({"cases": trials.len(), "changed": rows}))?,
        Format::Text => writeln!(out, "{changed} of {} cases are decided differently", trials.len())?,
    }
    Ok(changed == 0)
}

fn cases(set: &PolicySet) -> impl Iterator<Item = (&Policy, &Case)> {
    set.policies().iter().flat_map(|policy| policy.cases().iter().map(move |case| (policy, case)))
}

/// A decision in a few words.
fn told(decision: &Decision) -> String {
    let would = decision.would();
    let mut text = decision.action.to_string();
    if would != decision.action {
        text = format!("{text} (would be {would})");
    }
    let strictest = decision.reasons.iter().find(|reason| reason.action == decision.action);
    match strictest {
        Some(reason) => format!("{text} by {}/{}", reason.policy, reason.rule),
        None => text,
    }
}
