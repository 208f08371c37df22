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
        ", mode: monitor",
        ", roll-out: 50%",
        ", score: {from: 0.2, below: 0.7}",
        ", cwe: [1, 2, 95]",
        ", language: '*'",
        ", group: g*",
        ", except: [{owner: o, reason: r, until: 2000-01-01, tenant: 'a*'}]",
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
    let groups = vec("[a-h]{1,2}", 0..3);
    let name = || prop_oneof![any::<String>(), "[az]{1,2}"];
    (stage, provenance, name(), name(), any::<u64>(), 0..2_000_000_000_u64, groups).prop_map(
        |(stage, provenance, tenant, model, roll_out_key, now, groups)| Situation {
            tenant,
            groups,
            model,
            now,
            roll_out_key,
            ..situation(stage, provenance)
        },
    )
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
    fn what_is_not_in_force_costs_nothing_and_hides_nothing(
        rules in vec(rule(), 0..6), here in any_situation(), seen in vec(any_finding(), 0..6),
    ) {
        let monitored = rules.iter().filter(|rule| !rule.contains("mode:")).map(|rule| format!("{rule}, mode: monitor"));
        let watched = policy(0, &monitored.collect::<Vec<_>>()).decide(&here, &seen);
        prop_assert_eq!(watched.action, crate::Action::Allow);
        let open = |rule: &&String| !rule.contains("mode:") && !rule.contains("except:");
        let open: Vec<String> = rules.iter().filter(open).cloned().collect();
        prop_assert!(watched.would() >= policy(0, &open).decide(&here, &seen).action);
    }

    #[test]
    fn a_rule_speaks_only_within_its_scope(tenant in "[a-z]{1,3}", here in any_situation(), seen in vec(any_finding(), 1..6)) {
        let roots: Vec<&str> = vec!["guard", "code", "secret", "personal", "injection", "unreadable", "request", "detector"];
        let text = format!("finding: [{}], action: block, why: w, tenant: {tenant}", roots.join(", "));
        let decision = policy(0, &[text]).decide(&here, &seen);
        prop_assert!(decision.reasons.is_empty() || here.tenant.eq_ignore_ascii_case(&tenant));
    }

    #[test]
    fn a_wider_roll_out_takes_a_rule_from_nobody(one in 0..=100_u8, other in 0..=100_u8, here in any_situation()) {
        let share = |share: u8| policy(0, &[format!("finding: guard, action: block, why: w, roll-out: {share}%")]);
        let seen = [super::finding("guard.S1", Severity::Error, 1.0)];
        let (narrow, wide) = (share(one.min(other)).decide(&here, &seen), share(one.max(other)).decide(&here, &seen));
        prop_assert!(narrow.action <= wide.action);
    }

    #[test]
    fn time_alone_makes_stricter(rules in vec(rule(), 0..6), here in any_situation(), later: u32, seen in vec(any_finding(), 0..6)) {
        let policy = policy(0, &rules);
        let then = Situation { now: here.now + u64::from(later), ..here.clone() };
        prop_assert!(policy.decide(&here, &seen).action <= policy.decide(&then, &seen).action);
    }

    #[test]
    fn any_text_is_a_policy_or_a_message(text in prop_oneof![any::<String>(), "(policy|rules|cases|id|finding|[-:{}\\[\\], \n'\"&*!|>0-9a]){0,60}"]) {
        if let Err(error) = Policy::parse("p.yaml", &text, &catalog()) {
            prop_assert!(error.to_string().starts_with("p.yaml:"), "{error}");
        }
    }
}
