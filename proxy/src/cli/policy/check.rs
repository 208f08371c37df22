//! `ringfence policy check`: is a policy sound?

use std::io::Write;

use policies::{Policy, PolicyError, PolicySet};

use super::Desk;
use crate::audit::Timestamp;

/// Says what is wrong; true if nothing is that would keep the policies from being served.
pub(super) fn run(desk: &Desk, names: &[String], out: &mut dyn Write) -> anyhow::Result<bool> {
    let policies = desk.read(names)?;
    let now = Timestamp::now().seconds();
    let (mut cases, mut failed) = (0, 0);
    for policy in &policies {
        cases += policy.cases().len();
        for failure in policy.run_cases() {
            failed += 1;
            writeln!(out, "{failure}")?;
        }
        for rule in policy.untested_rules() {
            writeln!(out, "warning: {}:{}: no case shows the rule `{}`", policy.file(), rule.line, rule.id)?;
        }
        for expired in policy.expired(now) {
            writeln!(out, "warning: {expired}")?;
        }
    }
    let rules: usize = policies.iter().map(|policy| policy.rules().len()).sum();
    let names: Vec<String> = policies.iter().map(|policy| policy.name().to_owned()).collect();
    writeln!(out, "{}: {rules} rules, {} cases hold, {failed} fail", names.join(", "), cases - failed)?;
    match PolicySet::new(policies, &desk.catalog) {
        Ok(_) => {}
        Err(PolicyError::Unanswered(_)) => writeln!(
            out,
            "note: alone they would not be served, since they leave failures of detectors unanswered; \
             a policy such as `pack:default` beside them answers these"
        )?,
        Err(error) => writeln!(out, "note: together they would not be served: {error}")?,
    }
    Ok(failed == 0)
}

/// The name of a case in lists: its place and what it is about.
pub(super) fn case_name(policy: &Policy, case: &policies::Case) -> String {
    let seen: Vec<&str> = case.findings.iter().map(|finding| finding.id.as_str()).collect();
    let seen = if seen.is_empty() { "nothing".to_owned() } else { seen.join(", ") };
    format!("{}:{} {} {seen}", policy.file(), case.place.line, case.situation.stage)
}
