use std::fs;

use super::{Format, cases, junit, junit::Trial};
use crate::audit::Scratch;

/// The exit is clean or not, and what is told.
fn ringfence(arguments: &[&str]) -> (bool, String) {
    use clap::Parser as _;
    #[derive(clap::Parser)]
    struct Alone {
        #[command(flatten)]
        policy: super::PolicyArgs,
    }
    let arguments = Alone::parse_from(std::iter::once("policy").chain(arguments.iter().copied()));
    let mut out = Vec::new();
    let code = super::run(&arguments.policy, &mut out).unwrap_or_else(|error| panic!("{error:#}"));
    (format!("{code:?}") == format!("{:?}", std::process::ExitCode::SUCCESS), String::from_utf8(out).unwrap())
}

const POLICY: &str = "\
policy: mine
rules:
  - {id: mail, finding: personal.email, stage: input, action: block, why: addresses stay in the house}
  - {id: key, finding: secret, action: flag, mode: monitor, why: we want to know,
     except: [{owner: ann, reason: trial, until: 2020-01-01}]}
cases:
  - {stage: input, finding: {id: personal.email}, expect: block}
  - {stage: output, finding: {id: personal.email}, expect: block}
";

#[test]
fn the_desk_checks_tests_and_compares() {
    let directory = Scratch::new();
    let file = directory.join("mine.yaml");
    let name = file.display().to_string();
    fs::write(&file, POLICY).unwrap();

    let (clean, told) = ringfence(&["check", &name]);
    assert!(!clean && told.contains("mine.yaml:8:5: the case expects `block`"), "{told}");
    assert!(
        told.contains("no case shows the rule `key`") && told.contains("ann answers for ended on 2020-01-01"),
        "{told}"
    );
    assert!(told.contains("alone they would not be served"), "{told}");

    let (clean, told) = ringfence(&["test", &name, "--format", "json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(!clean && told["passed"] == 1 && told["failed"] == 1, "{told}");
    let (_, told) = ringfence(&["test", &name, "--format", "junit"]);
    assert!(told.contains(r#"tests="2" failures="1""#) && told.contains("<failure message="), "{told}");

    fs::write(
        &file,
        POLICY.replace(
            "{id: personal.email}, expect: block}\n  - {stage: output",
            "{id: personal.email}, expect: block}\n  - {stage: input",
        ),
    )
    .unwrap();
    let (clean, told) = ringfence(&["check", &name]);
    assert!(clean, "{told}");
    let (clean, told) = ringfence(&["diff", "pack:default", &format!("pack:default+{name}")]);
    assert!(!clean && told.contains("flag by default/personal-data becomes block by mine/mail"), "{told}");
    assert!(ringfence(&["diff", "pack:default", "pack:default"]).0);
    let (clean, told) = ringfence(&["docs", &name]);
    assert!(clean && told.starts_with("# mine\n") && told.contains("addresses stay in the house"), "{told}");
    let schema: serde_json::Value = serde_json::from_str(&ringfence(&["schema"]).1).unwrap();
    assert_eq!(schema["title"], "a policy of ringfence");
}

#[test]
fn xml_holds_whatever_a_case_says() {
    let trial = Trial { class: "a<b".into(), name: "\"q\" & \u{1b}[31m".into(), failure: Some("x > y\nz".into()) };
    let mut out = Vec::new();
    junit::write(&mut out, "s", &[trial]).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains("a&lt;b") && text.contains("&quot;q&quot; &amp; \u{fffd}[31m") && text.contains("x &gt; y&#10;z"),
        "{text}"
    );
}

#[test]
fn no_cases_are_no_failure() {
    let mut out = Vec::new();
    assert!(cases::run(&[], Format::Text, &mut out).unwrap());
}
