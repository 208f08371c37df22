//! What a decision is made of.

use super::{catalog, finding, set, situation};
use crate::{Action, Catalog, Policy, PolicySet, Provenance, Severity, Situation, Stage, Turn};

const RULES: &str = "\
policy: p
rules:
  - {id: all-code, finding: code, action: flag, why: any code}
  - {id: python, finding: code.python, stage: output, severity: warning, score: 0.5, action: redact, placeholder: '[code]', why: w}
  - {id: acme, finding: code.python, tenant: 'ac*', provenance: [user, tool], action: block, why: w}
  - {id: fine, finding: code.python, action: allow, why: an allow never beats a stricter rule}
";

fn rules(stage: Stage, provenance: Provenance, severity: Severity, score: f32) -> (Action, Vec<String>) {
    let decision =
        set(&[RULES]).decide(&situation(stage, provenance), &[finding("code.python.exec-use", severity, score)]);
    (decision.action, decision.reasons.into_iter().map(|reason| reason.rule).collect())
}

#[test]
fn the_strictest_rule_wins_and_all_that_match_are_named() {
    let answer = rules(Stage::Output, Provenance::Assistant, Severity::Warning, 0.5);
    assert_eq!(answer, (Action::Redact, vec!["all-code".into(), "python".into(), "fine".into()]));
    let prompt = rules(Stage::Input, Provenance::User, Severity::Advice, 0.0);
    assert_eq!(prompt, (Action::Block, vec!["all-code".into(), "acme".into(), "fine".into()]));
}

#[test]
fn each_condition_can_fail_alone() {
    let only_flag = (Action::Flag, vec!["all-code".to_owned(), "fine".to_owned()]);
    assert_eq!(rules(Stage::Output, Provenance::Assistant, Severity::Advice, 1.0), only_flag, "severity");
    assert_eq!(rules(Stage::Output, Provenance::Assistant, Severity::Error, 0.49), only_flag, "score");
    assert_eq!(rules(Stage::Input, Provenance::Assistant, Severity::Error, 1.0), only_flag, "stage and provenance");
    let mut elsewhere = situation(Stage::Input, Provenance::User);
    elsewhere.tenant = "other".into();
    let seen = [finding("code.python.exec-use", Severity::Error, 1.0)];
    assert_eq!(set(&[RULES]).decide(&elsewhere, &seen).action, Action::Flag, "tenant");
}

#[test]
fn names_are_asked_in_any_case() {
    for condition in ["tenant: Acme", "route: /v1/chat/*", "dialect: openai-*", "model: [other, SMOL*]"] {
        let text = format!("policy: p\nrules: [{{id: a, finding: guard, action: block, why: w, {condition}}}]\n");
        let seen = [finding("guard.S1", Severity::Error, 1.0)];
        let here = Situation { model: "SmolLM2".into(), ..situation(Stage::Input, Provenance::User) };
        assert_eq!(set(&[&text]).decide(&here, &seen).action, Action::Block, "{condition}");
        let mut there = here;
        there.tenant = "other".into();
        (there.route, there.dialect, there.model) = ("/api/chat".into(), "ollama".into(), "llama".into());
        assert_eq!(set(&[&text]).decide(&there, &seen).action, Action::Allow, "{condition}");
    }
}

#[test]
fn a_score_that_is_no_number_is_not_ignored() {
    assert_eq!(rules(Stage::Output, Provenance::Assistant, Severity::Error, f32::NAN).0, Action::Redact);
}

#[test]
fn nothing_seen_or_nothing_matched_is_allowed_without_a_reason() {
    let here = situation(Stage::Input, Provenance::User);
    for seen in [vec![], vec![finding("guard.S1", Severity::Error, 1.0)]] {
        let decision = set(&[RULES]).decide(&here, &seen);
        assert_eq!((decision.action, decision.reasons.len()), (Action::Allow, 0));
    }
}

#[test]
fn a_reason_carries_what_a_record_needs() {
    let seen = [finding("code.python.exec-use", Severity::Error, 0.75)];
    let decision = set(&[RULES]).decide(&situation(Stage::Output, Provenance::Assistant), &seen);
    let reason = &decision.reasons[1];
    assert_eq!((reason.policy.as_str(), reason.rule.as_str()), ("p", "python"));
    assert_eq!((reason.span.clone(), reason.cwe), (0..4, Some(95)));
    assert_eq!(reason.placeholder.as_deref(), Some("[code]"));
    assert_eq!(decision.reasons[0].placeholder, None);
}

#[test]
fn a_case_that_fails_says_where_and_what() {
    let text = format!(
        "{RULES}cases:\n  - stage: output\n    finding: {{id: code.python, severity: warning}}\n    expect: block\n  \
         - {{stage: input, finding: {{id: guard.S1}}, expect: flag}}\n  - {{stage: input, expect: allow}}\n"
    );
    let policy = Policy::parse("p.yaml", &text, &catalog()).unwrap();
    let failures: Vec<String> = policy.run_cases().iter().map(ToString::to_string).collect();
    assert_eq!(
        failures,
        [
            "p.yaml:8:5: the case expects `block`, the policy says `redact` by its rule `python`",
            "p.yaml:11:5: the case expects `flag`, the policy says `allow`: no rule matches",
        ]
    );
    let untested: Vec<&str> = policy.untested_rules().iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(untested, ["acme"]);
}

#[test]
fn a_case_sets_its_own_situation() {
    let case = "{stage: input, provenance: tool, tenant: acme, route: /r, dialect: d, model: m, \
                findings: [{id: code.python, score: 0.25}], expect: block}";
    let policy = Policy::parse("p.yaml", &format!("{RULES}cases: [{case}]\n"), &catalog()).unwrap();
    assert_eq!(policy.run_cases(), []);
    let case = &policy.cases()[0];
    assert_eq!(case.situation.provenance, Provenance::Tool);
    assert_eq!(
        (case.situation.route.as_str(), case.situation.dialect.as_str(), case.situation.model.as_str()),
        ("/r", "d", "m")
    );
    assert_eq!((case.findings[0].severity, case.findings[0].score), (Severity::Error, 0.25));
}

#[test]
fn a_case_leaves_open_what_is_ordinary() {
    let cases = "cases: [{stage: input, expect: allow}, {stage: output, expect: allow}]\n";
    let policy = Policy::parse("p.yaml", &format!("{RULES}{cases}"), &catalog()).unwrap();
    let writers: Vec<Provenance> = policy.cases().iter().map(|case| case.situation.provenance).collect();
    assert_eq!(writers, [Provenance::User, Provenance::Assistant]);
    assert_eq!(policy.cases()[0].situation.tenant, "default");
}

#[test]
fn the_hash_depends_on_the_texts_alone() {
    let other = RULES.replace("policy: p", "policy: q");
    let one = set(&[RULES, &other]);
    assert_eq!(one.hash(), set(&[&other, RULES]).hash(), "order");
    assert_eq!(one.hash().len(), 64);
    assert_ne!(one.hash(), set(&[RULES]).hash());
    assert_ne!(set(&[RULES]).hash(), set(&[&RULES.replace("0.5", "0.6")]).hash());
    assert_eq!(set(&[RULES]).hash(), set(&[&RULES.replace('\n', "\r\n")]).hash(), "line endings");
    assert_eq!(set(&[RULES]).hash(), set(&[&format!("\u{feff}{RULES}")]).hash(), "byte order mark");
    let named =
        |file: &str| PolicySet::new(vec![Policy::parse(file, RULES, &catalog()).unwrap()], &Catalog::new([])).unwrap();
    assert_eq!(named("a.yaml").hash(), named("b.yaml").hash(), "file name");
}

#[test]
fn an_earlier_turn_may_cost_something_else() {
    let text = "policy: p\nrules:\n  - {id: a, finding: guard, stage: input, action: block, earlier: redact, placeholder: '[gone]', why: w}\ncases:\n  - {stage: input, finding: {id: guard.S1}, expect: block}\n  - {stage: input, turn: earlier, finding: {id: guard.S1}, expect: redact}\n";
    let policy = Policy::parse("p.yaml", text, &catalog()).unwrap();
    assert_eq!(policy.run_cases(), []);
    let seen = [finding("guard.S1", Severity::Error, 1.0)];
    let now = situation(Stage::Input, Provenance::User);
    let before = Situation { turn: Turn::Earlier, ..now.clone() };
    let (now, before) = (policy.decide(&now, &seen), policy.decide(&before, &seen));
    assert_eq!((now.action, now.reasons[0].placeholder.as_deref()), (Action::Block, None));
    assert_eq!((before.action, before.reasons[0].placeholder.as_deref()), (Action::Redact, Some("[gone]")));
}
