//! The official clients, unmodified, against `ringfence` and the model it runs in process.

use std::{path::Path, process::Command};

use ringfence_tests::proxy::Ringfence;

const MODEL: &str = "smollm2-135m-instruct";

#[test]
fn official_clients_see_what_their_documentation_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let clients = root.join("target/clients");
    let python = clients.join("python/bin/python");
    assert!(python.exists(), "the clients are not installed: run tests/run first");
    let proxy = Ringfence::start("", &[], MODEL);
    let url = format!("http://{}/v1", proxy.proxy);
    let scripts = root.join("tests/clients");
    let mut python = Command::new(python);
    python.arg(scripts.join("openai_chat.py"));
    // Node looks for packages beside the script it is given.
    let script = clients.join("node/openai_chat.mjs");
    std::fs::copy(scripts.join("openai_chat.mjs"), &script).unwrap();
    let mut node = Command::new("node");
    node.arg(script);
    for mut client in [python, node] {
        let output = client.arg(&url).arg(MODEL).output().unwrap();
        let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{client:?}\n{said}\n{failed}");
        assert!(said.trim_end().ends_with("all as documented"), "{said}");
    }
}
