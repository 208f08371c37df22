//! The page of a policy, made of the policy.

use std::fmt::Write as _;

use crate::{Action, Band, Extent, Mode, Policy, Rule, Scope, Severity, Share, glob::Glob};

/// The page of a policy, in Markdown: what it is for, what each rule does, what its cases say.
pub fn page(policy: &Policy) -> String {
    let mut page = format!("# {}\n\n", policy.name());
    if let Some(about) = policy.about() {
        let _ = writeln!(page, "{}\n", about.trim());
    }
    if let Some(version) = policy.version() {
        let _ = writeln!(page, "Version {version}.\n");
    }
    if *policy.scope() != Scope::default() {
        let _ = writeln!(page, "Only for: {}.\n", place(policy.scope()));
    }
    page.push_str("| rule | answers | where | does | why |\n|---|---|---|---|---|\n");
    for rule in policy.rules() {
        let cells = [format!("`{}`", rule.id), answers(rule), place(&rule.scope), does(rule), rule.why.clone()];
        let _ = writeln!(page, "| {} |", cells.map(|cell| cell.replace('|', "\\|").replace('\n', " ")).join(" | "));
    }
    let exceptions = || policy.rules().iter().flat_map(|rule| rule.exceptions.iter().map(move |one| (rule, one)));
    if exceptions().next().is_some() {
        page.push_str("\n## Exceptions\n\n| rule | until | answered for by | reason |\n|---|---|---|---|\n");
        for (rule, one) in exceptions() {
            let _ = writeln!(page, "| `{}` | {} | {} | {} |", rule.id, one.until, one.owner, one.reason.trim());
        }
    }
    let count = |action: Action| policy.cases().iter().filter(|case| case.expect == action).count();
    let each = [Action::Allow, Action::Flag, Action::Redact, Action::Block].map(|action| (count(action), action));
    let each: Vec<String> = each.iter().filter(|(n, _)| *n > 0).map(|(n, action)| format!("{n} {action}")).collect();
    let _ = writeln!(page, "\n{} cases test it: {}.", policy.cases().len(), each.join(", "));
    page
}

fn answers(rule: &Rule) -> String {
    let selected = rule.findings.iter().map(|selector| match selector.score {
        Some(score) => format!("`{}` ({score})", selector.id),
        None => format!("`{}`", selector.id),
    });
    let mut text = selected.collect::<Vec<_>>().join(", ");
    match rule.severity {
        Severity::Advice => {}
        Severity::Warning => text.push_str(", warning or error"),
        Severity::Error => text.push_str(", error"),
    }
    if rule.score != Band::ALL {
        let _ = write!(text, ", score {}", rule.score);
    }
    if !rule.languages.is_empty() {
        let _ = write!(text, ", in {}", globs(&rule.languages));
    }
    if !rule.weaknesses.is_empty() {
        let weaknesses = rule.weaknesses.iter().map(|number| format!("CWE-{number}"));
        let _ = write!(text, ", {}", weaknesses.collect::<Vec<_>>().join(", "));
    }
    text
}

fn place(scope: &Scope) -> String {
    let stages = scope.stages.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let writers = scope.provenances.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let asked = [
        ("", stages),
        ("by ", writers),
        ("tenant ", globs(&scope.tenants)),
        ("group ", globs(&scope.groups)),
        ("route ", globs(&scope.routes)),
        ("dialect ", globs(&scope.dialects)),
        ("model ", globs(&scope.models)),
    ];
    let asked = asked.into_iter().filter(|(_, what)| !what.is_empty()).map(|(lead, what)| format!("{lead}{what}"));
    let asked = asked.collect::<Vec<_>>().join("; ");
    if asked.is_empty() { "everywhere".to_owned() } else { asked }
}

fn does(rule: &Rule) -> String {
    let mut text = format!("**{}**", rule.action);
    match rule.redact {
        Extent::Finding => {}
        Extent::Text => text.push_str(" the whole text"),
        Extent::Reversible => text.push_str(" and put back"),
    }
    if let Some(placeholder) = &rule.placeholder {
        let _ = write!(text, ", as `{placeholder}`");
    }
    if let Some(earlier) = rule.earlier {
        let _ = write!(text, "; {earlier} in an earlier turn");
    }
    match (rule.force.mode, rule.force.share) {
        (Mode::Monitor, _) => text.push_str(" (monitored only)"),
        (Mode::Enforce, Share::ALL) => {}
        (Mode::Enforce, share) => {
            let _ = write!(text, " (for {share} of callers)");
        }
    }
    text
}

fn globs(globs: &[Glob]) -> String {
    globs.iter().map(|glob| format!("`{}`", glob.as_str())).collect::<Vec<_>>().join(", ")
}
