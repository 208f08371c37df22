//! The laws of a decision, tried on arbitrary rules and findings.

use super::{catalog, situation};
use crate::{Catalog, Finding, FindingId, Policy, PolicySet, Provenance, Severity, Situation, Stage};
use proptest::{collection::vec, prelude::*, sample::select};

/// One rule as text, without its id.
fn rule() -> impl Strategy<Value = String> {
    let condition = select(vec![
        "",
        ", stage: input",
        ", stage: output",
        ", severity: warning",
        ", severity: error",
        ", score: 0.5",
        ", provenance: [user, tool]",
        ", tenant: 'a*'",
        ", tenant: z",
        ", model: '*m*'",
    ]);
    let finding =
        select(vec!["guard", "guard.S1", "code", "code.python", "code.python.exec-use", "[secret, detector]"]);
    let action = select(vec!["allow", "flag", "redact", "block"]);
    (finding, action, condition.clone(), condition)
        .prop_filter("a field stands once", |(.., one, two)| one.is_empty() || one.get(..5) != two.get(..5))
        .prop_map(|(finding, action, one, two)| format!("finding: {finding}, action: {action}, why: w{one}{two}"))
}

fn policy(name: usize, rules: &[String]) -> Policy {
    let rules: Vec<String> = rules.iter().enumerate().map(|(id, rule)| format!("{{id: r{id}, {rule}}}")).collect();
    let rules = rules.join(", ");
    Policy::parse("p.yaml", &format!("policy: p{name}\nrules: [{rules}]"), &catalog()).unwrap_or_else(|e| panic!("{e}"))
}

fn set(policies: &[Vec<String>]) -> PolicySet {
    let policies = policies.iter().enumerate().map(|(name, rules)| policy(name, rules));
    PolicySet::new(policies.collect(), &Catalog::new([])).unwrap()
}

fn any_finding() -> impl Strategy<Value = Finding> {
    let known: Vec<String> = catalog().ids().map(ToString::to_string).collect();
    let id = prop_oneof![select(known), "[a-zA-Z0-9_-]{1,8}(\\.[a-zA-Z0-9_-]{1,8}){0,3}"];
    let severity = select(vec![Severity::Advice, Severity::Warning, Severity::Error]);
    (id, severity, any::<f32>(), any::<(usize, usize)>(), any::<Option<u16>>(), any::<Option<String>>()).prop_map(
        |(id, severity, score, (start, end), cwe, language)| Finding {
            id: FindingId::parse(&id).unwrap(),
            severity,
            score,
            span: start..end,
            message: String::new(),
            language,
            cwe,
        },
    )
}

fn any_situation() -> impl Strategy<Value = Situation> {
    let stage = select(vec![Stage::Input, Stage::Output]);
    let provenance = select(vec![Provenance::System, Provenance::User, Provenance::Assistant, Provenance::Tool]);
    (stage, provenance, any::<String>(), any::<String>()).prop_map(|(stage, provenance, tenant, model)| Situation {
        tenant,
        model,
        ..situation(stage, provenance)
    })
}

proptest! {
    #[test]
    fn one_finding_more_never_gives_a_milder_action(
        rules in vec(vec(rule(), 0..5), 0..3), here in any_situation(), seen in vec(any_finding(), 0..6), more in any_finding(),
    ) {
        let set = set(&rules);
        let before = set.decide(&here, &seen);
        let mut seen = seen;
        seen.push(more);
        let after = set.decide(&here, &seen);
        prop_assert!(after.action >= before.action);
        prop_assert!(after.reasons.len() >= before.reasons.len());
    }

    #[test]
    fn one_policy_more_never_loosens(
        rules in vec(vec(rule(), 0..5), 1..4), here in any_situation(), seen in vec(any_finding(), 0..6),
    ) {
        let fewer = set(&rules[1..]).decide(&here, &seen);
        prop_assert!(set(&rules).decide(&here, &seen).action >= fewer.action);
    }

    #[test]
    fn one_rule_more_never_loosens(
        rules in vec(rule(), 1..6), here in any_situation(), seen in vec(any_finding(), 0..6),
    ) {
        let fewer = policy(0, &rules[1..]).decide(&here, &seen);
        prop_assert!(policy(0, &rules).decide(&here, &seen).action >= fewer.action);
    }

    #[test]
    fn the_order_of_rules_policies_and_findings_is_of_no_account(
        rules in vec(vec(rule(), 0..5), 1..4), here in any_situation(), seen in vec(any_finding(), 0..6),
    ) {
        let decision = set(&rules).decide(&here, &seen);
        let (mut rules, mut seen) = (rules, seen);
        for rules in &mut rules {
            rules.reverse();
        }
        rules.reverse();
        seen.reverse();
        let other = set(&rules).decide(&here, &seen);
        prop_assert_eq!(decision.action, other.action);
        prop_assert_eq!(decision.reasons.len(), other.reasons.len());
    }

    #[test]
    fn the_action_is_the_strictest_of_the_reasons(
        rules in vec(vec(rule(), 0..5), 0..3), here in any_situation(), seen in vec(any_finding(), 0..6),
    ) {
        let decision = set(&rules).decide(&here, &seen);
        let strictest = decision.reasons.iter().map(|reason| reason.action).max();
        prop_assert_eq!(strictest.unwrap_or(crate::Action::Allow), decision.action);
    }

    #[test]
    fn any_text_is_a_policy_or_a_message(text in prop_oneof![any::<String>(), "(policy|rules|cases|id|finding|[-:{}\\[\\], \n'\"&*!|>0-9a]){0,60}"]) {
        if let Err(error) = Policy::parse("p.yaml", &text, &catalog()) {
            prop_assert!(error.to_string().starts_with("p.yaml:"), "{error}");
        }
    }
}
