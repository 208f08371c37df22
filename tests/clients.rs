//! The official clients, unmodified, against `ringfence` in front of the model it runs in process and of a scripted
//! generator. What they see of the latter is the table in the README.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use ringfence_tests::{
    generator::{Speaks, generator},
    proxy::Ringfence,
};
use serde_json::Value;

const MODEL: &str = "smollm2-135m-instruct";
const QUICK: &str = "detectors: [shape, text, code]\n";
/// Far more than a client needs; only a test that has failed waits for it.
const PATIENCE: Duration = Duration::from_secs(300);

/// The scripts, whose upstream speaks what, and one more argument. The first run of a script is a row of the table.
const RUNS: [(&str, Speaks, &str); 13] = [
    ("openai_scripted.py", Speaks::OpenAi, ""),
    ("openai_scripted.mjs", Speaks::OpenAi, ""),
    ("anthropic_scripted.py", Speaks::OpenAi, ""),
    ("anthropic_scripted.py", Speaks::Anthropic, ""),
    ("anthropic_scripted.mjs", Speaks::OpenAi, ""),
    ("anthropic_scripted.mjs", Speaks::Anthropic, ""),
    ("ollama_scripted.py", Speaks::OpenAi, ""),
    ("ollama_scripted.py", Speaks::Ollama, ""),
    ("ollama_scripted.mjs", Speaks::OpenAi, ""),
    ("ollama_scripted.mjs", Speaks::Ollama, ""),
    ("langchain_scripted.py", Speaks::OpenAi, ""),
    ("ai_scripted.mjs", Speaks::OpenAi, "chat"),
    ("ai_scripted.mjs", Speaks::OpenAi, "responses"),
];

/// What every client must have shown. A blocked prompt is asked for where there is a guard.
const SCENARIOS: [&str; 10] = [
    "plain",
    "stream",
    "tools",
    "schema",
    "blocked_answer",
    "blocked_stream",
    "blocked_call",
    "failure",
    "cut",
    "client",
];

/// Where upstreams of a family must have been asked: in its own formats.
const NATIVE: [(Speaks, &[&str]); 3] = [
    (Speaks::OpenAi, &["/v1/chat/completions", "/v1/completions", "/v1/embeddings"]),
    (Speaks::Anthropic, &["/v1/messages"]),
    (Speaks::Ollama, &["/api/chat", "/api/generate", "/api/embed", "/api/show", "/api/tags"]),
];

#[test]
fn official_clients_see_what_their_documentation_says() {
    let proxy = Ringfence::start("", &[], MODEL);
    let url = format!("http://{}/v1", proxy.proxy);
    for script in ["openai_chat.py", "openai_chat.mjs"] {
        let said = run(script, &[&url, MODEL]);
        assert!(said.trim_end().ends_with("all as documented"), "{said}");
    }
}

#[test]
fn every_scenario_goes_as_the_readme_says() {
    let upstreams = NATIVE.map(|(speaks, _)| (speaks, generator(speaks)));
    let proxies = upstreams.each_ref().map(|(speaks, upstream)| (*speaks, Ringfence::start(QUICK, &[], &upstream.url)));
    let hidden = generator(Speaks::OpenAi);
    let guarded = Ringfence::start("", &[], &hidden.url);
    let guard = format!("http://{}", guarded.proxy);
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let runs = RUNS.map(|(script, speaks, more)| {
            let (_, proxy) = proxies.iter().find(|(known, _)| *known == speaks).unwrap();
            let (url, guard) = (format!("http://{}", proxy.proxy), guard.as_str());
            let guard = if speaks == Speaks::OpenAi { guard } else { "-" };
            scope.spawn(move || Seen::read(&run(script, &[&url, guard, more])))
        });
        runs.into_iter().zip(RUNS).map(|(run, of)| run.join().unwrap_or_else(|_| panic!("{of:?} failed"))).collect()
    });

    let mut rows: Vec<(&str, &Seen)> = Vec::new();
    for ((script, speaks, _), seen) in RUNS.iter().zip(&seen) {
        let missing = SCENARIOS.iter().find(|name| !seen.0.contains_key(**name));
        assert!(missing.is_none(), "{script} did not come to {missing:?}");
        if *speaks == Speaks::OpenAi {
            rows.push((script, seen));
            continue;
        }
        let (_, translated) = rows.iter().find(|(known, _)| known == script).unwrap();
        for (name, facts) in &seen.0 {
            let shows = translated.0.get(name).map(|facts| &facts["shows"]);
            assert_eq!(shows, Some(&facts["shows"]), "{script}, {name}: the client can tell what its upstream speaks");
        }
    }
    for ((_, paths), (speaks, upstream)) in NATIVE.iter().zip(&upstreams) {
        let asked = upstream.paths();
        assert!(paths.iter().all(|path| asked.contains(*path)), "{speaks:?} was asked at {asked:?}");
    }

    // What was blocked was asked once, is on the record, and was seen by nobody behind the door.
    let expected: u64 =
        seen.iter().flat_map(|seen| seen.0.values()).filter_map(|facts| facts["blocked"].as_u64()).sum();
    let records = guarded.records();
    let blocked = records.iter().filter(|record| record["stage"] == "input" && record["decision"] == "block");
    let blocked: HashSet<&str> = blocked.filter_map(|record| record["exchange"].as_str()).collect();
    assert_eq!(u64::try_from(blocked.len()).unwrap(), expected);
    assert!(hidden.asked().iter().all(|body| !body.contains("pipe bomb")));

    let root = root();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let section = readme.split("\n## ").find(|section| section.starts_with("Clients\n")).unwrap_or_default();
    let table: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    let rows: Vec<String> = rows.iter().map(|(_, seen)| seen.row()).collect();
    assert!(table == rows, "the README's table should be\n{}\n", rows.join("\n"));
}

/// What a script has seen, by scenario.
struct Seen(BTreeMap<String, Value>);

impl Seen {
    fn read(said: &str) -> Self {
        let lines = said.lines().filter(|line| line.starts_with('{'));
        let facts = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        Self(facts.map(|facts| (facts["scenario"].as_str().unwrap().to_owned(), facts)).collect())
    }

    /// The client's row in the table.
    fn row(&self) -> String {
        let fact = |scenario: &str, name: &str| {
            let fact = self.0.get(scenario).and_then(|facts| facts[name].as_str());
            fact.unwrap_or("-").to_owned()
        };
        let worked = |scenario: &str| if self.0.contains_key(scenario) { "yes" } else { "no" }.to_owned();
        let cells = [
            fact("client", "name"),
            fact("client", "version"),
            worked("plain"),
            worked("stream"),
            worked("tools"),
            worked("schema"),
            fact("blocked_prompt", "shows"),
            fact("blocked_stream", "shows"),
            fact("failure", "shows"),
            fact("cut", "shows"),
        ];
        format!("| {} |", cells.join(" | "))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Runs a script with the clients that `tests/run` has installed; gives what it printed.
fn run(script: &str, arguments: &[&str]) -> String {
    let clients = root().join("target/clients");
    let mut command = if script.ends_with(".py") {
        let mut python = Command::new(clients.join("python/bin/python"));
        python.arg(root().join("tests/clients").join(script)).env("PYTHONDONTWRITEBYTECODE", "1");
        python
    } else {
        let mut node = Command::new("node");
        node.arg(beside_packages().join(script));
        node
    };
    command.args(arguments).env("NO_PROXY", "127.0.0.1").env("LANGSMITH_TRACING", "false");
    let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.expect("the clients are not installed: run tests/run first");
    let until = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script} {arguments:?}\n{said}\n{failed}");
    said.into_owned()
}

/// Where the packages for Node are, and the scripts with them: Node looks for packages beside the script it is given.
fn beside_packages() -> &'static Path {
    static COPIED: OnceLock<PathBuf> = OnceLock::new();
    COPIED.get_or_init(|| {
        let node = root().join("target/clients/node");
        for script in fs::read_dir(root().join("tests/clients")).unwrap() {
            let script = script.unwrap().path();
            if script.extension().is_some_and(|end| end == "mjs") {
                fs::copy(&script, node.join(script.file_name().unwrap())).unwrap();
            }
        }
        node
    })
}
