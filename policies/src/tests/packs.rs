//! The shipped policies do what they say.

use super::{catalog, finding, pack, situation};
use crate::{Action, Finding, PolicySet, Provenance, Severity, Stage, packs};

#[test]
fn every_case_holds_and_every_rule_has_one() {
    for (name, _) in packs() {
        let policy = pack(name);
        assert_eq!(policy.name(), *name, "a pack goes by its own name");
        let failures: Vec<String> = policy.run_cases().iter().map(ToString::to_string).collect();
        assert_eq!(failures, Vec::<String>::new());
        let untested: Vec<&str> = policy.untested_rules().iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(untested, Vec::<&str>::new());
        assert!(policy.cases().iter().any(|case| case.expect == Action::Allow), "{name} has no case that passes");
    }
}

#[test]
fn the_default_stands_alone_and_the_other_stands_beside_it() {
    let alone = PolicySet::new(vec![pack("default")], &catalog()).unwrap();
    let both = PolicySet::new(vec![pack("cyberseceval"), pack("default")], &catalog()).unwrap();
    assert_eq!(both.names().collect::<Vec<_>>(), ["cyberseceval", "default"]);
    assert_ne!(alone.hash(), both.hash());
    assert!(PolicySet::new(vec![pack("cyberseceval")], &catalog()).is_err());
}

#[test]
fn no_benign_doubt_is_blocked() {
    let both = PolicySet::new(vec![pack("cyberseceval"), pack("default")], &catalog()).unwrap();
    for stage in [Stage::Input, Stage::Output] {
        for provenance in [Provenance::User, Provenance::Tool, Provenance::Assistant, Provenance::System] {
            for id in catalog().ids().filter(|id| id.as_str().starts_with("guard.")) {
                let doubt = finding(id.as_str(), Severity::Advice, 0.45);
                let decision = both.decide(&situation(stage, provenance), &[doubt]);
                assert!(decision.action <= Action::Flag, "{id} {stage}: {}", decision.action);
                let sure = finding(id.as_str(), Severity::Error, 0.5);
                let decision = both.decide(&situation(stage, provenance), &[sure]);
                assert_eq!(decision.action, Action::Block, "{id} {stage}");
            }
        }
    }
}

#[test]
fn every_failure_and_everything_unreadable_is_blocked() {
    let default = PolicySet::new(vec![pack("default")], &catalog()).unwrap();
    for id in
        catalog().ids().filter(|id| id.as_str().starts_with("detector.") || id.as_str().starts_with("unreadable."))
    {
        for stage in [Stage::Input, Stage::Output] {
            let seen: Finding = finding(id.as_str(), Severity::Advice, 0.0);
            let decision = default.decide(&situation(stage, Provenance::Tool), &[seen]);
            assert_eq!(decision.action, Action::Block, "{id} {stage}");
        }
    }
}

#[test]
fn every_pack_has_its_page() {
    for (name, _) in packs() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("packs/{name}.md"));
        let page = crate::page(&pack(name));
        let told = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(told == page, "write it anew: ringfence policy docs pack:{name} > policies/packs/{name}.md\n{page}");
    }
}

#[test]
fn each_pack_but_two_stands_alone() {
    for (name, _) in packs() {
        let alone = PolicySet::new(vec![pack(name)], &catalog());
        assert_eq!(alone.is_ok(), !["cyberseceval", "children"].contains(name), "{name}");
        if *name != "default" {
            assert!(PolicySet::new(vec![pack(name), pack("default")], &catalog()).is_ok(), "{name}");
        }
    }
}

#[test]
fn monitor_only_costs_nothing_whatever_is_seen() {
    let watch = PolicySet::new(vec![pack("monitor-only")], &catalog()).unwrap();
    for id in catalog().ids() {
        for stage in [Stage::Input, Stage::Output] {
            let seen = finding(id.as_str(), Severity::Error, 1.0);
            let decision = watch.decide(&situation(stage, Provenance::User), &[seen]);
            assert!(decision.action <= Action::Flag, "{id} {stage}");
        }
    }
}
