//! Runs the bypass-conformance suite in `tests/bypass` against the real binary, or against another proxy.
//!
//! `BYPASS_URL` names another proxy, `BYPASS_UPSTREAM` the address its upstream, which is ours, is to listen on,
//! `BYPASS_DIALECTS` the formats it speaks. `BYPASS_ONLY` runs the cases whose names begin so. See `tests/bypass/README.md`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    env,
    net::{SocketAddr, TcpListener},
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use ringfence_tests::{
    bypass::{
        case::{Case, Sent, Want},
        data::{self, fields, list, word},
        generator::{Generator, case_of},
        judge, parsers,
        plan::Plan,
        talk,
    },
    client::{Answer, parse},
    proxy::{Ringfence, binary, fresh_directory},
};
use serde_json::Value;

/// Connections at once.
const WORKERS: usize = 12;
/// A case that takes longer is named.
const SLOW: Duration = Duration::from_secs(5);

#[test]
fn nothing_gets_past_and_nothing_good_is_held_back() {
    let begun = Instant::now();
    let other = env::var("BYPASS_URL").ok();
    let only: Option<Vec<String>> =
        env::var("BYPASS_DIALECTS").ok().map(|names| names.split(',').map(|name| name.trim().to_owned()).collect());
    let listen = env::var("BYPASS_UPSTREAM").unwrap_or_else(|_| "127.0.0.1:0".to_owned());
    let (generator, (canary, fetched)) = (Generator::start(&listen), canary());
    let plan = Plan::read(&format!("http://{canary}/picture.png"), only.as_deref());
    let mut cases = plan.cases();
    let names: BTreeSet<&String> = cases.iter().map(|case| &case.id).collect();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    let prefix = env::var("BYPASS_ONLY").unwrap_or_default();
    cases.retain(|case| case.id.starts_with(&prefix) && (other.is_none() || case.others));
    // Those that take long come first, and the others beside them.
    cases.sort_by_key(|case| case.house != "guarded" && case.class != 'G');
    let target = match &other {
        Some(url) => Target::Other(address_of(url)),
        None => Target::Ours(houses(&cases, &generator)),
    };
    let mut outcomes = run(&cases, &target, &generator, &plan);
    if let Target::Ours(houses) = &target {
        check_records(&cases, houses, &mut outcomes);
    }
    check_meanings(&cases, &generator, other.is_none(), &mut outcomes);
    let mut results: Vec<(String, Result<(), String>)> =
        cases.iter().zip(outcomes).map(|(case, outcome)| (case.id.clone(), outcome.verdict)).collect();
    if let Target::Ours(houses) = &target {
        results.extend(policies(&prefix, houses));
    }
    let fetches = fetched.load(Ordering::Relaxed);
    results.push((
        "B/nothing-is-fetched".to_owned(),
        if fetches == 0 { Ok(()) } else { Err(format!("{fetches} fetches")) },
    ));
    report(&results, begun, other.is_none());
}

enum Target {
    Ours(HashMap<String, Ringfence>),
    Other(SocketAddr),
}

impl Target {
    fn address(&self, house: &str) -> SocketAddr {
        match self {
            Self::Ours(houses) => houses[house].proxy,
            Self::Other(address) => *address,
        }
    }
}

struct Outcome {
    verdict: Result<(), String>,
    /// The exchange of the attack, if the answer names one.
    exchange: Option<String>,
}

fn address_of(url: &str) -> SocketAddr {
    let address = url.trim_start_matches("http://").split('/').next().unwrap();
    address.parse().unwrap_or_else(|_| panic!("BYPASS_URL is `http://ADDRESS:PORT`, not `{url}`"))
}

/// A server that counts who comes.
fn canary() -> (SocketAddr, &'static AtomicU32) {
    static FETCHED: AtomicU32 = AtomicU32::new(0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for _ in listener.incoming() {
            FETCHED.fetch_add(1, Ordering::Relaxed);
        }
    });
    (address, &FETCHED)
}

/// The proxies that the cases are about.
fn houses(cases: &[Case], generator: &Generator) -> HashMap<String, Ringfence> {
    let policy = std::fs::read_to_string(data::folder().join("policy.yaml")).unwrap();
    let limits = "limits: {body_ms: 3000}\n";
    // The guard is slow in a build for tests, and slower among eleven other cases; how slow is not the question here.
    let patient = format!("{limits}guard: {{deadline_ms: 120000}}\n");
    let quick = format!("detectors: [shape, text, code]\n{limits}");
    let url = format!("http://{}", generator.address);
    let known = [
        ("openai", quick.clone(), vec![policy.clone()]),
        ("anthropic", format!("{quick}upstream: {{dialect: anthropic}}\n"), vec![policy.clone()]),
        ("ollama", format!("{quick}upstream: {{dialect: ollama}}\n"), vec![policy]),
        ("shipped", quick, Vec::new()),
        ("guarded", patient, Vec::new()),
    ];
    let needed =
        known.into_iter().filter(|(name, ..)| *name == "openai" || cases.iter().any(|case| case.house == *name));
    needed.map(|(name, config, policies)| (name.to_owned(), Ringfence::start(&config, &policies, &url))).collect()
}

fn run(cases: &[Case], target: &Target, generator: &Generator, plan: &Plan) -> Vec<Outcome> {
    let outcomes: Mutex<BTreeMap<usize, Outcome>> = Mutex::default();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((index, case)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    cases.get(index).map(|case| (index, case))
                } {
                    let begun = Instant::now();
                    let outcome = try_case(case, target, generator, plan);
                    if begun.elapsed() > SLOW {
                        println!("{} took {:.0} s", case.id, begun.elapsed().as_secs_f32());
                    }
                    outcomes.lock().unwrap().insert(index, outcome);
                }
            });
        }
    });
    outcomes.into_inner().unwrap().into_values().collect()
}

fn try_case(case: &Case, target: &Target, generator: &Generator, plan: &Plan) -> Outcome {
    let dialect = &plan.dialects[&case.dialect];
    let address = target.address(&case.house);
    let ask = |sent: &Sent, what: &str| {
        let name = case_of(&sent.bytes).unwrap_or_default();
        generator.expect(&name, sent.says.clone());
        let answer = if case.class == 'G' {
            let bytes = talk::exchange(address, &sent.bytes, Duration::from_secs(20));
            // A hint to go on is no answer yet.
            parse(bytes.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&bytes))
        } else {
            talk::ask(address, &sent.bytes)
        };
        let asked = generator.asked(&name);
        let verdict = match target {
            Target::Ours(_) => judge::ours(sent, dialect, &answer, &asked),
            Target::Other(_) => judge::others(sent, dialect, &answer, &asked, case.class == 'G'),
        };
        (verdict.map_err(|problem| told(what, &problem, &answer)), answer)
    };
    let (attack, answer) = ask(&case.attack, "attack");
    let twin = case.twin.as_ref().map_or(Ok(()), |twin| ask(twin, "twin").0);
    Outcome { verdict: attack.and(twin), exchange: answer.header("x-ringfence-decision").map(str::to_owned) }
}

fn told(what: &str, problem: &str, answer: &Answer) -> String {
    let body: String = answer.body.chars().take(400).collect();
    format!("{what}: {problem}; answered {} {body}", answer.status)
}

/// Every attack is on the record as its case says, and every record has the hash of the policies.
fn check_records(cases: &[Case], houses: &HashMap<String, Ringfence>, outcomes: &mut [Outcome]) {
    let mut records: HashMap<String, Vec<Value>> = HashMap::new();
    for record in houses.values().flat_map(Ringfence::records) {
        records.entry(word(&record, "exchange").to_owned()).or_default().push(record);
    }
    for (case, outcome) in cases.iter().zip(outcomes) {
        let Some(wanted) = case.audit.as_ref().filter(|_| outcome.verdict.is_ok()) else { continue };
        let found = outcome.exchange.as_ref().and_then(|exchange| records.get(exchange));
        if !found.is_some_and(|records| records.iter().any(|record| judge::contains(record, wanted))) {
            let log: Vec<String> = found.into_iter().flatten().map(Value::to_string).collect();
            outcome.verdict = Err(format!("audit: no record like {wanted}; there are {}", log.join("\n")));
        }
    }
}

/// What was forwarded means the same to Python and to Node; and, of ours, what it meant when it was sent.
fn check_meanings(cases: &[Case], generator: &Generator, ours: bool, outcomes: &mut [Outcome]) {
    let (mut bodies, mut whose) = (Vec::new(), Vec::new());
    for (index, case) in cases.iter().enumerate() {
        for sent in std::iter::once(&case.attack).chain(&case.twin) {
            for asked in generator.asked(&case_of(&sent.bytes).unwrap_or_default()) {
                let kept = ours && case.id.starts_with("A/text/") && matches!(sent.want, Want::Forwarded(_));
                let original =
                    sent.bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| sent.bytes[at + 4..].to_vec());
                whose.push((index, kept));
                bodies.push(asked.body.clone());
                bodies.push(original.filter(|_| kept).unwrap_or_default());
            }
        }
    }
    let (python, node) = (parsers::python(&bodies), parsers::node(&bodies));
    for ((index, kept), (python, node)) in whose.into_iter().zip(python.chunks(2).zip(node.chunks(2))) {
        let problem = if python[0] != node[0] || python[0].whole == "unreadable" {
            "what was forwarded means one thing to Python and another to Node"
        } else if kept && python[0].extra != python[1].extra {
            "what was forwarded does not mean what was sent"
        } else {
            continue;
        };
        if outcomes[index].verdict.is_ok() {
            outcomes[index].verdict = Err(problem.to_owned());
        }
    }
}

/// Class K: what is not about requests.
fn policies(prefix: &str, houses: &HashMap<String, Ringfence>) -> Vec<(String, Result<(), String>)> {
    let mut results = Vec::new();
    for class in data::read_all("classes") {
        for set in list(&class, "sets") {
            let letter = word(&class, "class");
            match word(set, "kind") {
                "start" => results.extend(fields(&set["policies"]).map(|(name, policy)| {
                    (format!("{letter}/{}/{name}", word(set, "name")), does_not_start(policy.as_str().unwrap()))
                })),
                "hash" => results.extend(houses.iter().map(|(name, house)| {
                    let mut hashes: Vec<String> =
                        house.records().iter().map(|record| word(record, "policy_hash").to_owned()).collect();
                    hashes.sort();
                    hashes.dedup();
                    let one = hashes.len() == 1 && !hashes[0].is_empty();
                    (
                        format!("{letter}/{}/{name}", word(set, "name")),
                        if one { Ok(()) } else { Err(format!("{hashes:?}")) },
                    )
                })),
                _ => {}
            }
        }
    }
    results.retain(|(id, _)| id.starts_with(prefix));
    results
}

/// Whether a program with this policy ends by itself with an error.
fn does_not_start(policy: &str) -> Result<(), String> {
    let directory = fresh_directory();
    let file = directory.join("policy.yaml");
    std::fs::write(&file, policy).unwrap();
    std::fs::write(directory.join("ringfence.yaml"), "detectors: [shape, text, code]\n").unwrap();
    let mut command = Command::new(binary());
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", "http://127.0.0.1:9"]);
    command.arg("--audit").arg(directory.join("audit")).arg("--policy").arg(&file);
    command.arg("--config").arg(directory.join("ringfence.yaml"));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        if let Some(status) = child.try_wait().unwrap() {
            let mut said = String::new();
            std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
            let told = !status.success() && !said.is_empty();
            return if told { Ok(()) } else { Err(format!("it ended with {status} and said {said}")) };
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    Err("it starts".to_owned())
}

fn report(results: &[(String, Result<(), String>)], begun: Instant, ours: bool) {
    let known = data::read("known.yaml");
    let is_known = |id: &str| {
        list(&known, "failing")
            .iter()
            .any(|entry| list(entry, "cases").iter().any(|pattern| matches(pattern.as_str().unwrap(), id)))
    };
    let mut table: BTreeMap<char, (usize, usize)> = BTreeMap::new();
    let mut sets: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let (mut failures, mut better) = (Vec::new(), Vec::new());
    for (id, result) in results {
        let set: String = id.split('/').take(2).collect::<Vec<_>>().join("/");
        for (cases, passed) in [table.entry(id.chars().next().unwrap()).or_default(), sets.entry(set).or_default()] {
            *cases += 1;
            *passed += usize::from(result.is_ok());
        }
        match result {
            Err(problem) if !is_known(id) => failures.push(format!("{id}: {problem}")),
            Ok(()) if is_known(id) => better.push(id.clone()),
            _ => {}
        }
    }
    println!("\n| class | cases | passed |\n|---|---|---|");
    table.iter().for_each(|(class, (cases, passed))| println!("| {class} | {cases} | {passed} |"));
    println!("\n| set | cases | passed |\n|---|---|---|");
    sets.iter().for_each(|(set, (cases, passed))| println!("| {set} | {cases} | {passed} |"));
    println!("\n{} cases in {:.0} s", results.len(), begun.elapsed().as_secs_f32());
    if let Ok(file) = env::var("BYPASS_REPORT") {
        let line = |(id, result): &(String, Result<(), String>)| match result {
            Ok(()) => format!("ok\t{id}\n"),
            Err(problem) => format!("FAILED\t{id}\t{}\n", problem.replace('\n', " ")),
        };
        std::fs::write(file, results.iter().map(line).collect::<String>()).unwrap();
    }
    if ours {
        let shown: Vec<&str> = failures.iter().take(40).map(String::as_str).collect();
        assert!(failures.is_empty(), "{} cases failed, the first of them:\n{}", failures.len(), shown.join("\n"));
        assert!(better.is_empty(), "these pass now, so `known.yaml` must not name them: {better:#?}");
    }
}

/// Whether a name is like a pattern, in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, rest)) => name
            .strip_prefix(before)
            .is_some_and(|tail| (0..=tail.len()).any(|at| tail.is_char_boundary(at) && matches(rest, &tail[at..]))),
    }
}
