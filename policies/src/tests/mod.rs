//! The tests of the room as a whole, and what they share: a catalog like the program's, and short ways to findings and situations.
mod decide;
mod laws;
mod messages;
mod packs;

use crate::{Catalog, Finding, FindingId, Policy, PolicySet, Provenance, Severity, Situation, Stage};

/// The findings of the program's detectors; for code and text rules, one example of a family.
fn catalog() -> Catalog {
    let hazards = (1..=14).map(|number| format!("guard.S{number}"));
    let others = [
        "guard.injection",
        "guard.cyber",
        "code.python.exec-use",
        "code.python.os-system",
        "code.javascript.eval-use",
        "code.unreadable",
        "secret.private-key",
        "personal.email",
        "injection.chat-template",
        "injection.ignore-instructions",
        "unreadable.image",
        "unreadable.audio",
        "unreadable.file",
        "unreadable.tokens",
        "unreadable.part",
        "unreadable.long",
        "unreadable.encoded",
        "request.unknown-field",
        "detector.guard.failed",
        "detector.guard.late",
        "detector.code.failed",
        "detector.code.late",
        "detector.text.failed",
        "detector.text.late",
    ];
    Catalog::new(hazards.chain(others.map(str::to_owned)).map(|id| FindingId::parse(&id).unwrap()))
}

/// A shipped policy.
fn pack(name: &str) -> Policy {
    let (_, text) = crate::packs().iter().find(|(pack, _)| *pack == name).unwrap();
    Policy::parse(&format!("{name}.yaml"), text, &catalog()).unwrap_or_else(|error| panic!("{error}"))
}

/// The policies of these texts, as a set that need not answer failures.
fn set(texts: &[&str]) -> PolicySet {
    let policies = texts.iter().map(|text| Policy::parse("test.yaml", text, &catalog()).unwrap());
    PolicySet::new(policies.collect(), &Catalog::new([])).unwrap()
}

fn finding(id: &str, severity: Severity, score: f32) -> Finding {
    Finding {
        id: FindingId::parse(id).unwrap(),
        severity,
        score,
        span: 0..4,
        message: "seen".into(),
        language: None,
        cwe: Some(95),
    }
}

fn situation(stage: Stage, provenance: Provenance) -> Situation {
    Situation {
        stage,
        provenance,
        tenant: "acme".into(),
        groups: vec![],
        route: "/v1/chat/completions".into(),
        dialect: "openai-chat".into(),
        model: "smollm2".into(),
        now: 0,
        roll_out_key: 0,
        turn: crate::Turn::Current,
    }
}
