//! Every way in which a policy is refused, and the words in which it is.

use super::catalog;
use crate::{Catalog, FindingId, Policy, PolicyError, PolicySet};

/// The messages for a text, one a line.
fn messages(text: &str) -> String {
    Policy::parse("p.yaml", text, &catalog()).unwrap_err().to_string()
}

/// The messages for a rule with these lines; they begin on line 3, column 5.
fn for_rule(lines: &str) -> String {
    messages(&format!("policy: p\nrules:\n  - {}\n", lines.trim().replace('\n', "\n    ")))
}

/// The messages for a case; it begins on line 3, column 5.
fn for_case(case: &str) -> String {
    messages(&format!("policy: p\ncases:\n  - {case}\nrules: []\n"))
}

#[test]
fn an_unknown_finding() {
    assert_eq!(
        for_rule("id: a\nfinding: code.pyton\naction: block\nwhy: w"),
        "p.yaml:4:14: `code.pyton` is not a known finding: did you mean `code.python`?"
    );
    assert_eq!(
        for_rule("id: a\nfinding: weather\naction: block\nwhy: w"),
        "p.yaml:4:14: `weather` is not a known finding: names begin with \
         `code`, `detector`, `guard`, `injection`, `personal`, `request`, `secret` or `unreadable`"
    );
    assert_eq!(
        for_rule("id: a\nfinding: [code, guard..S1]\naction: block\nwhy: w"),
        "p.yaml:4:21: `guard..S1` is not a known finding: did you mean `guard.S1`?"
    );
    assert_eq!(
        for_case("{stage: input, finding: {id: secrets}, expect: block}"),
        "p.yaml:3:34: `secrets` is not a known finding: did you mean `secret`?"
    );
}

#[test]
fn an_unknown_word() {
    let rule = |line: &str| for_rule(&format!("id: a\nfinding: code\nwhy: w\naction: flag\n{line}"));
    assert_eq!(
        for_rule("id: a\nfinding: code\nwhy: w\naction: blok"),
        "p.yaml:6:13: `blok` is not an action: did you mean `block`?"
    );
    assert_eq!(
        for_rule("id: a\nfinding: code\nwhy: w\naction: quarantine"),
        "p.yaml:6:13: `quarantine` is not an action: write `allow`, `flag`, `redact` or `block`"
    );
    assert_eq!(rule("stage: imput"), "p.yaml:7:12: `imput` is not a stage: did you mean `input`?");
    assert_eq!(rule("severity: high"), "p.yaml:7:15: `high` is not a severity: write `advice`, `warning` or `error`");
    assert_eq!(
        rule("provenance: [user, robot]"),
        "p.yaml:7:24: `robot` is not a provenance: write `system`, `user`, `assistant` or `tool`"
    );
    assert_eq!(
        for_case("{stage: input, expect: blocked}"),
        "p.yaml:3:28: `blocked` is not an action: did you mean `block`?"
    );
}

#[test]
fn an_unknown_field() {
    assert_eq!(
        for_rule("id: a\nfinding: code\nwhy: w\nacton: flag\naction: flag"),
        "p.yaml:6:5: a rule has no field `acton`: did you mean `action`?"
    );
    assert_eq!(
        messages("policy: p\nrules: []\ninherits: q\n"),
        "p.yaml:3:1: a policy has no field `inherits`: it has `policy`, `version`, `about`, `mode`, `refusal`, \
         `stage`, `provenance`, `tenant`, `group`, `route`, `dialect`, `model`, `rules` or `cases`"
    );
    assert_eq!(
        for_case("{stage: input, expects: block, expect: block}"),
        "p.yaml:3:20: a case has no field `expects`: did you mean `expect`?"
    );
    assert_eq!(
        for_case("{stage: input, finding: {id: guard, sevrity: error}, expect: block}"),
        "p.yaml:3:41: a finding has no field `sevrity`: did you mean `severity`?"
    );
}

#[test]
fn a_field_that_is_missing() {
    assert_eq!(
        for_rule("{}"),
        "p.yaml:3:5: a rule needs the field `id`\np.yaml:3:5: a rule needs the field `finding`\n\
         p.yaml:3:5: a rule needs the field `action`\np.yaml:3:5: a rule needs the field `why`"
    );
    assert_eq!(
        messages("{}"),
        "p.yaml:1:1: a policy needs the field `policy`\np.yaml:1:1: a policy needs the field `rules`"
    );
    assert_eq!(
        for_case("{finding: {severity: error}}"),
        "p.yaml:3:5: a case needs the field `stage`\np.yaml:3:5: a case needs the field `expect`\n\
         p.yaml:3:15: a finding needs the field `id`"
    );
}

#[test]
fn something_twice() {
    assert_eq!(
        for_rule("id: a\nfinding: code\nwhy: w\naction: block\naction: allow"),
        "p.yaml:7:5: the field `action` is here a second time, it was on line 6 already: keep one"
    );
    assert_eq!(
        messages(
            "policy: p\nrules:\n  - {id: a, finding: code, action: flag, why: w}\n  - {id: a, finding: guard, action: flag, why: w}\n"
        ),
        "p.yaml:4:5: the rule `a` is here a second time, it was on line 3 already: give it another id"
    );
    assert_eq!(
        for_case("{stage: input, finding: {id: guard}, findings: [{id: guard}], expect: block}"),
        "p.yaml:3:52: a case has `finding` or `findings`, not both: put them in one list"
    );
}

#[test]
fn a_value_of_the_wrong_kind() {
    let rule = |line: &str| for_rule(&format!("id: a\nfinding: code\nwhy: w\naction: redact\n{line}"));
    assert_eq!(rule("score: 1.5"), "p.yaml:7:12: `1.5` is not a score: write a number from 0 to 1");
    assert_eq!(rule("score: high"), "p.yaml:7:12: `score` is the text `high`, but must be a number from 0 to 1");
    assert_eq!(rule("stage: true"), "p.yaml:7:12: `stage` is the switch `true`, but must be text");
    assert_eq!(rule("tenant: 7"), "p.yaml:7:13: `tenant` is the number `7`, but must be text");
    assert_eq!(rule("tenant: [{a: b}]"), "p.yaml:7:14: `tenant` is a set of fields, but must be text");
    assert_eq!(rule("tenant: ''"), "p.yaml:7:13: `tenant` is an empty text, but must be text");
    assert_eq!(rule("stage: []"), "p.yaml:7:12: `stage` is an empty list: name something, or leave the field out");
    assert_eq!(
        rule(&format!("model: {}", "m".repeat(257))),
        "p.yaml:7:12: a pattern for `model` has 1 to 256 characters"
    );
    assert_eq!(messages("policy: p\nrules: {}\n"), "p.yaml:2:8: `rules` is a set of fields, but must be a list");
    assert_eq!(messages("- a\n"), "p.yaml:1:1: a policy is a list, but must be fields with values");
    assert_eq!(messages(""), "p.yaml:1:1: a policy is empty, but must be fields with values");
    assert_eq!(
        messages("policy: 'two words'\nrules: []\n"),
        "p.yaml:1:9: `two words` is not a name: write 1 to 64 letters, digits, `-`, `_` or `.`"
    );
}

#[test]
fn a_placeholder_that_does_not_fit() {
    let rule = |action: &str, placeholder: &str| {
        for_rule(&format!("id: a\nfinding: code\nwhy: w\naction: {action}\nplaceholder: {placeholder}"))
    };
    assert_eq!(
        rule("block", "'[gone]'"),
        "p.yaml:7:18: `placeholder` says how to redact, but the action here is `block`: drop it, or redact"
    );
    let long = format!("'{}'", "x".repeat(65));
    for bad in ["''", r#""two\nlines""#, &long] {
        assert_eq!(rule("redact", bad), "p.yaml:7:18: `placeholder` has 1 to 64 characters on one line");
    }
}

#[test]
fn all_faults_of_a_file_in_its_order() {
    let text = "policy: p\nrules:\n  - {id: a, finding: cod, action: blok, why: w}\n  - {id: b, finding: guard, action: flag}\n\
                cases:\n  - {stage: up, expect: flag}\n";
    assert_eq!(
        messages(text),
        "p.yaml:3:22: `cod` is not a known finding: did you mean `code`?\n\
         p.yaml:3:35: `blok` is not an action: did you mean `block`?\n\
         p.yaml:4:5: a rule needs the field `why`\n\
         p.yaml:6:13: `up` is not a stage: write `input` or `output`"
    );
}

#[test]
fn a_hopeless_file_gives_a_hundred_faults_and_no_more() {
    let rules = "  - {id: a b, finding: [x, y, z], action: no}\n".repeat(5_000);
    let error = Policy::parse("p.yaml", &format!("policy: p\nrules:\n{rules}"), &catalog()).unwrap_err();
    let PolicyError::File(problems) = error else { panic!("{error}") };
    assert_eq!(problems.len(), 100);
}

#[test]
fn what_is_not_yaml() {
    let text = messages("policy: p\nrules: [\n");
    assert!(text.starts_with("p.yaml:") && text.contains("not YAML that a policy may use: "), "{text}");
    assert!(messages("policy: &a p\nrules: *a\n").contains("not YAML"));
    assert_eq!(
        messages(&"#\n".repeat(600_000)),
        "p.yaml:1:1: 1200000 bytes are too many for a policy, 1048576 are allowed: split it into several files"
    );
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let text = for_rule("id: \"\\e[31m\"\nfinding: \"\\e]0;x\"\naction: block\nwhy: w");
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn a_long_word_is_shown_in_part() {
    let (long, shown) = ("x".repeat(300), format!("`{}…`", "x".repeat(80)));
    for line in [format!("id: {long}\nfinding: code"), format!("id: a\nfinding: {long}")] {
        let text = for_rule(&format!("{line}\naction: block\nwhy: w"));
        assert!(text.contains(&shown) && !text.contains(&"x".repeat(81)), "{text}");
    }
}

#[test]
fn a_name_of_64_letters_is_the_longest() {
    let load = |name: String| Policy::parse("p.yaml", &format!("policy: {name}\nrules: []\n"), &catalog());
    assert!(load("x".repeat(64)).is_ok());
    assert!(load("x".repeat(65)).is_err());
}

#[test]
fn a_failure_nobody_answers() {
    let catalog = Catalog::new(["guard.S1", "detector.guard.failed"].map(|id| FindingId::parse(id).unwrap()));
    let load = |rule: &str| {
        let text = format!("policy: p\nrules:\n  - {{id: a, action: block, why: w, {rule}}}\n");
        PolicySet::new(vec![Policy::parse("p.yaml", &text, &catalog).unwrap()], &catalog)
    };
    let error = load("finding: guard").unwrap_err().to_string();
    assert_eq!(
        error,
        "no rule answers `detector.guard.failed` at stage `input`, `detector.guard.failed` at stage `output`: \
         a failed detector must not pass unnoticed; add a rule with `finding: detector` and an action, \
         without any other condition, or load a policy that has one"
    );
    let output_is_open = load("finding: detector, stage: input").unwrap_err().to_string();
    assert!(
        output_is_open.starts_with("no rule answers `detector.guard.failed` at stage `output`:"),
        "{output_is_open}"
    );

    for condition in [
        "severity: warning",
        "score: 0.5",
        "tenant: acme",
        "route: /v1/*",
        "dialect: x",
        "model: '*b'",
        "provenance: user",
        "group: '*'",
        "language: '*'",
        "cwe: 79",
        "score: {from: 0, below: 1}",
        "mode: monitor",
        "roll-out: 99.99%",
        "except: [{owner: o, reason: r, until: 2026-01-01}]",
    ] {
        assert!(load(&format!("finding: detector, {condition}")).is_err(), "{condition}");
    }
    for condition in [
        "severity: advice",
        "score: 0",
        "tenant: '*'",
        "stage: [input, output]",
        "provenance: [user, tool, system, assistant]",
        "mode: enforce",
        "roll-out: 100%",
        "score: {from: 0}",
    ] {
        assert!(load(&format!("finding: detector, {condition}")).is_ok(), "{condition}");
    }
    assert!(load("finding: [guard, detector.guard.failed]").is_ok());
    assert!(PolicySet::new(vec![], &catalog).is_err());
}

#[test]
fn an_allow_is_an_answer_too() {
    let text = "policy: p\nrules: [{id: a, finding: detector, action: allow, why: we prefer answers to safety}]\n";
    assert!(PolicySet::new(vec![Policy::parse("p.yaml", text, &catalog()).unwrap()], &catalog()).is_ok());
}

#[test]
fn two_policies_of_one_name() {
    let policy = |file: &str| Policy::parse(file, "policy: p\nrules: []\n", &catalog()).unwrap();
    let between = Policy::parse("other.yaml", "policy: q\nrules: []\n", &catalog()).unwrap();
    let policies = vec![policy("one.yaml"), between, policy("two.yaml")];
    let error = PolicySet::new(policies, &Catalog::new([])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`one.yaml` and `two.yaml` are both named `p`: give one of them another name after `policy:`"
    );
}

#[test]
fn a_part_of_the_language_that_does_not_fit() {
    let rule = |line: &str| for_rule(&format!("id: a\nfinding: code\nwhy: w\naction: block\n{line}"));
    assert_eq!(rule("mode: watch"), "p.yaml:7:11: `watch` is not a mode: write `enforce` or `monitor`");
    assert_eq!(
        rule("roll-out: 25"),
        "p.yaml:7:15: `25` is not a share: write a number of percent such as `25%`, from `0%` to `100%`"
    );
    assert_eq!(
        rule("cwe: CVE-79"),
        "p.yaml:7:10: `CVE-79` is not a weakness: write its number in the CWE, such as `CWE-79`"
    );
    assert_eq!(
        rule("score: {from: 0.5, below: 0.5}"),
        "p.yaml:7:12: no score is from `0.5` and below `0.5`: let `below` be the higher one"
    );
    assert_eq!(rule("score: {form: 0.5}"), "p.yaml:7:13: a band of scores has no field `form`: did you mean `from`?");
    assert_eq!(
        rule("redact: text"),
        "p.yaml:7:13: `redact` says how to redact, but the action here is `block`: drop it, or redact"
    );
    assert_eq!(
        for_rule("id: a\nfinding: code\nwhy: w\naction: flag\nrefusal: message"),
        "p.yaml:7:14: `refusal` says how to block, but the action here is `flag`: drop it, or block"
    );
    assert_eq!(rule("refusal: massage"), "p.yaml:7:14: `massage` is not a form of refusal: did you mean `message`?");
    assert_eq!(
        rule("refusal: {text: {Deutsch: nein}}"),
        "p.yaml:7:22: `Deutsch` is not a language's code: write one such as `en` or `pt-BR`"
    );
    assert_eq!(
        for_rule("id: a\nfinding: {id: guard, scores: 1}\nwhy: w\naction: flag"),
        "p.yaml:4:26: a finding has no field `scores`: did you mean `score`?"
    );
}

#[test]
fn a_mask_is_short_and_in_one_piece() {
    let rule = |placeholder: &str| {
        for_rule(&format!(
            "id: a\nfinding: code\nwhy: w\naction: redact\nredact: reversible\nplaceholder: {placeholder}"
        ))
    };
    for bad in ["'[a mail]'", "'[aaaaaaaaaaaaaaaaaaaaaaaaa]'"] {
        let message =
            "a placeholder with `redact: reversible` has 1 to 24 characters and no white space, such as `[mail]`";
        assert_eq!(rule(bad), format!("p.yaml:8:18: {message}"));
    }
}

#[test]
fn an_exception_has_an_owner_a_reason_and_an_end() {
    let rule = |line: &str| for_rule(&format!("id: a\nfinding: code\nwhy: w\naction: block\nexcept:\n  - {line}"));
    assert_eq!(
        rule("{tenant: acme}"),
        "p.yaml:8:9: an exception needs the field `owner`\np.yaml:8:9: an exception needs the field `reason`\n\
         p.yaml:8:9: an exception needs the field `until`"
    );
    assert_eq!(
        rule("{owner: o, reason: r, until: 2026-02-30}"),
        "p.yaml:8:38: `2026-02-30` is not a day: write one such as `2026-12-31`"
    );
    assert_eq!(
        rule("{owner: o, reason: r, until: 2026-02-03, expires: never}"),
        "p.yaml:8:50: an exception has no field `expires`: it has `owner`, `reason`, `until`, `finding`, `stage`, \
         `provenance`, `tenant`, `group`, `route`, `dialect` or `model`"
    );
}
