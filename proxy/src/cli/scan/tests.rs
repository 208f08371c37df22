//! The command from arguments to output.

use super::*;
use serde_json::Value;

fn lines(input: &str) -> (Vec<Value>, Vec<String>, Outcome) {
    let (mut out, mut warnings) = (Vec::new(), Vec::new());
    let scanner = Scanner::new().unwrap();
    let outcome =
        lines::run("in", &mut input.as_bytes(), None, &scanner, &mut out, &mut |line| warnings.push(line)).unwrap();
    let out = String::from_utf8(out).unwrap();
    (out.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), warnings, outcome)
}

#[test]
fn every_line_has_its_answer_and_a_bad_one_is_named() {
    let (answers, warnings, outcome) = lines(concat!(
        "{\"id\":\"a\",\"code\":\"x = 1\\nexec(input())\",\"language\":\"py\"}\n",
        "{\"id\":2,\"code\":3}\n",
        "\n",
        "{\"id\":3,\"code\":\"Do:\\n```c\\ngets(line);\\n```\"}\n",
        "{\"id\":4,\"code\":\"Good morning, all.\"}\n",
        "{\"id\":5,\"code\":\"eval($x);\",\"language\":\"cobol\"}",
    ));
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("in:2: "), "{warnings:?}");
    assert_eq!(outcome.code(), 2);
    assert_eq!(answers.len(), 4);
    assert_eq!(answers[0]["id"], "a");
    assert_eq!(answers[0]["language"], "python");
    assert_eq!(answers[0]["findings"][0]["rule"], "code.python.exec-use");
    assert_eq!(answers[0]["findings"][0]["cwe"], "CWE-95");
    assert_eq!(answers[0]["findings"][0]["line"], 2);
    assert_eq!(answers[1]["findings"][0]["rule"], "code.c.gets");
    assert_eq!(answers[1]["findings"][0]["line"], 3);
    assert_eq!(answers[2]["language"], Value::Null);
    assert_eq!(answers[3]["findings"], Value::Array(Vec::new()));
}

#[test]
fn folders_are_walked_and_the_formats_agree() {
    let folder = std::env::temp_dir().join(format!("ringfence-scan-{}", std::process::id()));
    for (name, text) in [
        ("a.py", "exec(input())\n"),
        ("b.txt", "nothing\n"),
        ("g.py", "import os, sys\nname = sys.argv[1]\nos.system('rm ' + name)\n"),
        ("node_modules/c.py", "exec(input())\n"),
        ("d/e f.c", "void f(char *s) {\n  gets(s);\n}\n"),
    ] {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let scanner = Scanner::new().unwrap();
    let run = |format, path: PathBuf| {
        let mut out = Vec::new();
        let outcome = run_paths(&[path], None, format, &scanner, &mut out, &mut |_| {}).unwrap();
        (String::from_utf8(out).unwrap(), outcome.code())
    };
    let (text, code) = run(Format::Text, folder.clone());
    let (sarif, _) = run(Format::Sarif, folder.clone());
    let (json, _) = run(Format::Json, folder.clone());
    let (jsonl, _) = run(Format::Jsonl, folder.clone());
    let clean = run(Format::Text, folder.join("b.txt"));
    let missing = run(Format::Text, folder.join("none"));
    std::fs::remove_dir_all(&folder).unwrap();

    assert_eq!(code, 1);
    assert_eq!(text.lines().filter(|line| !line.starts_with(' ')).count(), 3, "{text}");
    assert!(text.contains("g.py:2:8: `sys.argv` comes from outside\n"), "{text}");
    assert!(text.contains("g.py:3:1: `system` gets it\n"), "{text}");
    assert!(text.contains("a.py:1:1: error: `exec` runs text as code (code.python.exec-use, CWE-95)"), "{text}");
    assert_eq!(jsonl.lines().count(), 3);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["findings"].as_array().unwrap().len(), 3);
    assert_eq!(json["findings"][2]["path"][0]["line"], 2);
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    let result = &sarif["runs"][0]["results"][1];
    assert_eq!(result["ruleId"], "code.c.gets");
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 2);
    let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
    assert!(uri.ends_with("d/e%20f.c"), "{uri}");
    assert_eq!(result["codeFlows"], Value::Null);
    let steps = &sarif["runs"][0]["results"][2]["codeFlows"][0]["threadFlows"][0]["locations"];
    assert_eq!(steps[0]["location"]["physicalLocation"]["region"]["startLine"], 2);
    assert_eq!(steps[0]["location"]["message"]["text"], "`sys.argv` comes from outside");
    assert_eq!(clean, (String::new(), 0));
    assert_eq!(missing, (String::new(), 2));
}
