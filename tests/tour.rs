//! Walks the README's tour: its commands are sent as they are printed, its policy is loaded as it is printed.

use std::{fs, path::Path, process::Command};

use ringfence_tests::{
    client::ask,
    proxy::{Ringfence, binary, fresh_directory},
    upstream::{Script, ScriptedUpstream},
};

#[test]
fn the_tour_goes_as_the_readme_says() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let tour = &readme[readme.find("## Five minutes").unwrap()..readme.find("## What happens by default").unwrap()];
    let bodies: Vec<&str> = tour.split("-d '").skip(1).map(|rest| rest.split('\'').next().unwrap()).collect();
    let [harmful, address] = bodies[..] else { panic!("the tour has {} requests", bodies.len()) };
    let policy = tour.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let policy: String =
        policy.lines().map(|line| line.strip_prefix("   ").unwrap_or(line).to_owned() + "\n").collect();

    let upstream = ScriptedUpstream::start();
    let send = |proxy: &Ringfence, body: &str| {
        let body_of_answer = r#"{"choices":[{"index":0,"message":{"content":"Yes."},"finish_reason":"stop"}]}"#;
        upstream.script(Script {
            status: 200,
            kind: "application/json".into(),
            body: body_of_answer.into(),
            ..Script::default()
        });
        let headers = [("content-type".to_owned(), "application/json".to_owned())];
        ask(proxy.proxy, "POST", "/v1/chat/completions", &headers, body)
    };

    let plain = Ringfence::start("", &[], &upstream.url);
    let blocked = send(&plain, harmful);
    assert_eq!(blocked.status, 400, "{}", blocked.body);
    assert!(blocked.body.contains(r#""code":"content_filter""#), "{}", blocked.body);
    let id = blocked.header("x-ringfence-decision").unwrap();
    let log = plain.directory.join("audit");
    let shown = Command::new(binary()).args(["audit", "show", id, "--audit"]).arg(log).output().unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.contains("block") && shown.contains("default/unsafe-prompt"), "{shown}");
    assert_eq!(send(&plain, address).status, 200);

    let file = fresh_directory().join("mine.yaml");
    fs::write(&file, &policy).unwrap();
    let check =
        Command::new(binary()).args(["check", "--policy", "pack:default", "--policy"]).arg(&file).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    let strict = Ringfence::start("", &["pack:default".to_owned(), policy], &upstream.url);
    let blocked = send(&strict, address);
    assert_eq!(blocked.status, 400, "{}", blocked.body);
    assert!(blocked.body.contains("mine/no-mail-addresses"), "{}", blocked.body);
}
