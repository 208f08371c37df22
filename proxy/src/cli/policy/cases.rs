//! `ringfence policy test`: the cases, one by one.

use std::io::Write;

use policies::Policy;
use serde_json::json;

use super::{
    Format,
    check::case_name,
    junit::{self, Trial},
};

/// Runs the cases of all policies and tells what came of them; true if all hold.
pub(super) fn run(policies: &[Policy], format: Format, out: &mut dyn Write) -> anyhow::Result<bool> {
    let mut trials = Vec::new();
    for policy in policies {
        let failures = policy.run_cases();
        trials.extend(policy.cases().iter().map(|case| Trial {
            class: policy.name().to_owned(),
            name: case_name(policy, case),
            failure: failures.iter().find(|failure| failure.place == case.place).map(ToString::to_string),
        }));
    }
    let failed = trials.iter().filter(|trial| trial.failure.is_some()).count();
    match format {
        Format::Junit => junit::write(out, "ringfence policy test", &trials)?,
        Format::Json => {
            let cases = trials.iter().map(|Trial { class, name, failure }| {
                json!({"policy": class, "case": name, "holds": failure.is_none(), "failure": failure})
            });
            let cases: Vec<_> = cases.collect();
            writeln!(out, "{}", json!({"cases": cases, "passed": trials.len() - failed, "failed": failed}))?;
        }
        Format::Text => {
            for trial in &trials {
                match &trial.failure {
                    None => writeln!(out, "ok    {} {}", trial.class, trial.name)?,
                    Some(failure) => writeln!(out, "FAIL  {} {failure}", trial.class)?,
                }
            }
            writeln!(out, "{} cases hold, {failed} fail", trials.len() - failed)?;
        }
    }
    Ok(failed == 0)
}
