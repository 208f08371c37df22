//! What a rule can say beyond its action: how far it is in force, what it leaves alone, how it is told.

use super::{catalog, finding, set, situation};
use crate::{
    Action, Day, Decision, Extent, Finding, Policy, PolicySet, Provenance, Severity, Situation, Spared, Stage, Style,
};

fn rule(fields: &str) -> PolicySet {
    set(&[&format!("policy: p\nrules:\n  - {{id: a, why: w, {fields}}}\n")])
}

fn code(language: &str, cwe: Option<u16>) -> Finding {
    Finding { language: Some(language.into()), cwe, ..finding("code.python.exec-use", Severity::Error, 1.0) }
}

fn here() -> Situation {
    situation(Stage::Output, Provenance::Assistant)
}

fn guard(score: f32) -> [Finding; 1] {
    [finding("guard.S1", Severity::Error, score)]
}

#[test]
fn a_monitored_rule_is_recorded_and_costs_nothing() {
    let decision = rule("finding: guard, action: block, mode: monitor").decide(&here(), &guard(1.0));
    assert_eq!((decision.action, decision.would()), (Action::Allow, Action::Block));
    let reason = &decision.reasons[0];
    assert_eq!(reason.action, Action::Allow);
    assert_eq!(reason.would.as_ref().map(|would| &would.because), Some(&Spared::Monitor));
    let json = serde_json::to_value(reason).unwrap();
    assert_eq!(json["would"], serde_json::json!({"action": "block", "because": "monitor"}));
    assert_eq!(serde_json::from_value::<crate::Reason>(json).unwrap(), *reason);
}

#[test]
fn a_rule_may_differ_from_its_policy() {
    let text = "policy: p\nmode: monitor\nrules:\n  - {id: a, finding: guard, action: block, why: w}\n  \
                - {id: b, finding: guard.S2, action: flag, mode: enforce, why: w}\n";
    let decide = |id| set(&[text]).decide(&here(), &[finding(id, Severity::Error, 1.0)]).action;
    assert_eq!((decide("guard.S1"), decide("guard.S2")), (Action::Allow, Action::Flag));
}

#[test]
fn a_rule_is_rolled_out_to_a_share_of_the_callers() {
    let set = rule("finding: guard, action: block, roll-out: 25%");
    let decide = |key| set.decide(&Situation { roll_out_key: key, ..here() }, &guard(1.0));
    assert_eq!(decide(0).action, Action::Block);
    assert_eq!((decide(2_499).action, decide(2_500).action), (Action::Block, Action::Allow));
    assert_eq!(decide(12_499).action, Action::Block);
    let spared = decide(9_999);
    assert_eq!((spared.action, spared.would()), (Action::Allow, Action::Block));
    assert_eq!(spared.reasons[0].would.as_ref().unwrap().because, Spared::RollOut);
}

#[test]
fn an_exception_ends_on_its_last_day() {
    let set = rule(
        "finding: guard, action: block, \
         except: [{owner: ann, reason: trial, until: 2026-11-24, tenant: acme, finding: guard.S1}]",
    );
    let last = Day::parse("2026-11-24").unwrap();
    let at = |now, tenant: &str, id| {
        set.decide(&Situation { now, tenant: tenant.into(), ..here() }, &[finding(id, Severity::Error, 1.0)])
    };
    let excepted: Decision = at(last.end() - 1, "acme", "guard.S1");
    assert_eq!((excepted.action, excepted.would()), (Action::Allow, Action::Block));
    let because = &excepted.reasons[0].would.as_ref().unwrap().because;
    assert_eq!(*because, Spared::Exception { owner: "ann".into(), until: last });
    assert_eq!(at(last.end(), "acme", "guard.S1").action, Action::Block, "it is over");
    assert_eq!(at(0, "other", "guard.S1").action, Action::Block, "another tenant");
    assert_eq!(at(0, "acme", "guard.S2").action, Action::Block, "another finding");

    assert_eq!(set.expired(last.end() - 1), []);
    let expired: Vec<String> = set.expired(last.end()).iter().map(ToString::to_string).collect();
    assert_eq!(
        expired,
        ["test.yaml:3:61: the exception of the rule `a` that ann answers for ended on 2026-11-24: renew or remove it"]
    );
}

#[test]
fn an_exception_of_one_rule_does_not_excuse_from_another() {
    let text = "policy: p\nrules:\n  - {id: a, finding: guard, action: block, why: w, \
                except: [{owner: o, reason: r, until: 2030-01-01}]}\n  - {id: b, finding: guard, action: redact, why: w}\n";
    assert_eq!(set(&[text]).decide(&here(), &guard(1.0)).action, Action::Redact);
}

#[test]
fn a_band_has_an_end_and_a_hazard_its_own() {
    let set = rule("finding: [{id: guard.S1, score: {from: 0.2, below: 0.4}}, guard], score: 0.8, action: flag");
    let flags = |score| set.decide(&here(), &guard(score)).action == Action::Flag;
    assert!(!flags(0.19) && flags(0.2) && flags(0.39) && !flags(0.4) && !flags(0.79) && flags(0.8) && flags(1.0));
    assert!(flags(f32::NAN));
}

#[test]
fn language_and_weakness_are_asked_of_the_finding() {
    let set = rule("finding: code, action: block, language: [Py*, go], cwe: [CWE-95, 78]");
    let decide = |seen| set.decide(&here(), &[seen]).action;
    assert_eq!(decide(code("python", Some(95))), Action::Block);
    assert_eq!(decide(code("GO", Some(78))), Action::Block);
    assert_eq!(decide(code("rust", Some(95))), Action::Allow);
    assert_eq!(decide(code("python", Some(79))), Action::Allow);
    assert_eq!(decide(code("python", None)), Action::Allow);
    assert_eq!(decide(Finding { language: None, ..code("", Some(95)) }), Action::Allow);
}

#[test]
fn one_group_of_the_caller_is_enough() {
    let set = rule("finding: guard, action: block, group: [minors, 'school-*']");
    let decide = |groups: &[&str]| {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        set.decide(&Situation { groups, ..here() }, &guard(1.0)).action
    };
    assert_eq!(decide(&["staff", "School-7"]), Action::Block);
    assert_eq!(decide(&["staff"]), Action::Allow);
    assert_eq!(decide(&[]), Action::Allow);
}

#[test]
fn the_whole_text_may_go() {
    let decision = rule("finding: guard, action: redact, redact: text").decide(&here(), &guard(1.0));
    assert_eq!(decision.reasons[0].redact, Extent::Text);
    let decision = rule("finding: guard, action: redact").decide(&here(), &guard(1.0));
    assert_eq!(decision.reasons[0].redact, Extent::Finding);
}

#[test]
fn a_refusal_is_told_as_the_rule_says_or_else_the_policy() {
    let text = "policy: p\nrefusal: {style: message, text: {en: ask a teacher, de: frag eine Lehrerin}}\nrules:\n  \
                - {id: a, finding: guard, action: block, why: w}\n  \
                - {id: b, finding: secret, action: block, refusal: error, why: w}\n";
    let set = set(&[text]);
    let wording = |id| {
        let decision = set.decide(&here(), &[finding(id, Severity::Error, 1.0)]);
        set.refusal(&decision.reasons).cloned()
    };
    let guard = wording("guard.S1").unwrap();
    assert_eq!((guard.style, guard.text("de")), (Some(Style::Message), Some("frag eine Lehrerin")));
    let secret = wording("secret.private-key").unwrap();
    assert_eq!((secret.style, secret.text("de")), (Some(Style::Error), None));
    assert_eq!(wording("personal.email"), None);
}

#[test]
fn a_case_may_ask_what_would_be() {
    let cases = "cases:\n  - {stage: input, finding: {id: guard.S1}, expect: allow, would: block}\n  \
                 - {stage: input, caller: 30%, finding: {id: secret}, expect: allow, would: flag}\n  \
                 - {stage: input, finding: {id: secret}, expect: flag}\n  \
                 - {stage: input, date: 2027-01-01, finding: {id: code.python, language: python, cwe: 95}, expect: block}\n  \
                 - {stage: input, group: kids, finding: {id: personal}, expect: flag}\n  \
                 - {stage: input, finding: {id: guard.S1}, expect: allow, would: flag}\n";
    let text = format!(
        "policy: p\nrules:\n  - {{id: a, finding: guard, action: block, mode: monitor, why: w}}\n  \
         - {{id: b, finding: secret, action: flag, roll-out: 30%, why: w}}\n  \
         - {{id: c, finding: code, language: python, cwe: 95, action: block, why: w, \
         except: [{{owner: o, reason: r, until: 2026-12-31}}]}}\n  \
         - {{id: d, finding: personal, group: kids, action: flag, why: w}}\n{cases}"
    );
    let policy = Policy::parse("p.yaml", &text, &catalog()).unwrap();
    let failures: Vec<String> = policy.run_cases().iter().map(ToString::to_string).collect();
    assert_eq!(failures, ["p.yaml:13:5: the case says it would be `flag`, the policy says `block`"]);
}

#[test]
fn a_policy_may_have_a_version() {
    let one = "policy: p\nversion: '3'\nrules: []\n";
    assert_eq!(set(&[one, "policy: q\nrules: []\n"]).version(), "p@3, q");
}

#[test]
fn a_policy_may_be_for_some_only() {
    let text = |scope: &str| format!("policy: p\n{scope}rules: [{{id: a, finding: guard, action: block, why: w}}]\n");
    let at =
        |set: &PolicySet, tenant: &str| set.decide(&Situation { tenant: tenant.into(), ..here() }, &guard(1.0)).action;
    let own = set(&[&text("tenant: 'school-*'\n")]);
    assert_eq!((at(&own, "School-7"), at(&own, "bank")), (Action::Block, Action::Allow));

    let policy = |only: &[&str]| Policy::parse("p.yaml", &text(""), &catalog()).unwrap().only_for(only).unwrap();
    let loaded = PolicySet::new(vec![policy(&["school-*", "kids"])], &crate::Catalog::new([])).unwrap();
    assert_eq!((at(&loaded, "kids"), at(&loaded, "bank")), (Action::Block, Action::Allow));
    assert_eq!(loaded.version(), "p for school-* kids");
    let all = PolicySet::new(vec![policy(&[])], &crate::Catalog::new([])).unwrap();
    assert_ne!(all.hash(), loaded.hash());
    assert!(Policy::parse("p.yaml", &text(""), &catalog()).unwrap().only_for(&[""]).is_err());

    let failures = "policy: d\nrules: [{id: a, finding: detector, action: block, why: w}]\n";
    let failures = |only: &[&str]| Policy::parse("d.yaml", failures, &catalog()).unwrap().only_for(only).unwrap();
    assert!(PolicySet::new(vec![failures(&[])], &catalog()).is_ok());
    assert!(PolicySet::new(vec![failures(&["school"])], &catalog()).is_err(), "other tenants' failures are unanswered");
}
