use std::{fs, path::Path, sync::Arc};

use policies::{Catalog, FindingId};

use super::{Live, Source};
use crate::{audit::Scratch, telemetry::Telemetry};

const GOOD: &str = "policy: p\nrules: [{id: a, finding: secret, action: flag, why: w}]\n";
const OTHER: &str = "policy: p\nversion: v2\nrules: [{id: a, finding: secret, action: block, why: w}]\n";
const BAD: &str = "policy: p\nrules: [{id: a, finding: secrets, action: flag, why: w}]\n";
const FAILING: &str = "policy: p\nrules: [{id: a, finding: secret, action: flag, why: w}]\ncases: [{stage: input, finding: {id: secret}, expect: block}]\n";

fn live(file: &Path) -> Arc<Live> {
    fs::write(file, GOOD).unwrap();
    let catalog = Catalog::new([FindingId::parse("secret.key").unwrap()]);
    let source = Source::new(&[file.display().to_string()], catalog.clone(), catalog);
    let policies = Arc::new(source.read(&source.texts().unwrap()).unwrap());
    Arc::new(Live::new(source, policies, Telemetry::start(None, "off").unwrap().metrics()))
}

#[test]
fn a_changed_file_is_put_in_force() {
    let directory = Scratch::new();
    let file = directory.join("p.yaml");
    let live = live(&file);
    let before = live.policies();
    live.look();
    assert_eq!(live.state().generation, 1, "nothing changed");
    fs::write(&file, OTHER).unwrap();
    live.look();
    assert_eq!((live.state().generation, live.policies().version().as_str()), (2, "p@v2"));
    assert_ne!(before.hash(), live.policies().hash(), "an exchange that began before keeps its own");
}

#[test]
fn what_does_not_load_or_fails_its_cases_replaces_nothing_and_is_told() {
    let directory = Scratch::new();
    let file = directory.join("p.yaml");
    let live = live(&file);
    let hash = live.policies().hash().to_owned();
    for (text, word) in [(BAD, "did you mean `secret`"), (FAILING, "the case expects `block`"), ("", "must be fields")]
    {
        fs::write(&file, text).unwrap();
        live.look();
        let state = live.state();
        assert!(state.error.as_ref().unwrap().contains(word), "{:?}", state.error);
        assert_eq!((state.generation, live.policies().hash()), (1, hash.as_str()));
        assert!(live.reload().unwrap_err().to_string().contains(word));
    }
    fs::remove_file(&file).unwrap();
    live.look();
    assert!(live.state().error.unwrap().contains("p.yaml"));
    fs::write(&file, GOOD).unwrap();
    live.look();
    assert_eq!((live.state().error, live.state().generation), (None, 1));
}
