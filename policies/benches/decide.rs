//! How long a decision takes: 500 rules, 50 findings. `cargo bench -p policies`.

use std::{fmt::Write as _, hint::black_box, time::Instant};

use policies::{Catalog, Finding, FindingId, Policy, PolicySet, Provenance, Severity, Situation, Stage, Turn};

const RULES: usize = 500;
const FINDINGS: usize = 50;
const ROUNDS: u32 = 2_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ids: Vec<FindingId> =
        (0..RULES).map(|n| FindingId::parse(&format!("code.l{}.r{n}", n % 8))).collect::<Result<_, _>>()?;
    let mut text = "policy: bench\nrules:\n".to_owned();
    for (n, id) in ids.iter().enumerate() {
        writeln!(
            text,
            "  - {{id: r{n}, finding: {id}, stage: output, tenant: 'a*', severity: warning, action: flag, why: w}}"
        )?;
    }
    let catalog = Catalog::new(ids.clone());
    let set = PolicySet::new(vec![Policy::parse("bench.yaml", &text, &catalog)?], &catalog)?;
    let situation = Situation {
        stage: Stage::Output,
        provenance: Provenance::Assistant,
        turn: Turn::Current,
        tenant: "acme".into(),
        groups: vec![],
        route: "/v1/chat/completions".into(),
        dialect: "openai-chat".into(),
        model: "llama".into(),
        now: 0,
        roll_out_key: 0,
    };
    for (name, severity) in [("none matches", Severity::Advice), ("each matches", Severity::Error)] {
        let finding = |id: &FindingId| Finding {
            id: id.clone(),
            severity,
            score: 1.0,
            span: 0..1,
            message: String::new(),
            language: None,
            cwe: None,
        };
        let findings: Vec<Finding> = ids.iter().take(FINDINGS).map(finding).collect();
        let mut times: Vec<u128> = (0..ROUNDS)
            .map(|_| {
                let since = Instant::now();
                let _ = black_box(set.decide(black_box(&situation), black_box(&findings)));
                since.elapsed().as_nanos()
            })
            .collect();
        times.sort_unstable();
        let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default() as f64 / 1000.0;
        println!("{RULES} rules, {FINDINGS} findings, {name}: median {:.1} us, p99 {:.1} us", at(50), at(99));
    }
    Ok(())
}
