use super::*;

static RULES: std::sync::LazyLock<RuleSet> = std::sync::LazyLock::new(|| RuleSet::built_in().unwrap());

#[test]
fn issues_lie_in_the_text() {
    let text = "Hé:\n```python\nx = 1\n  \n```\nand\n```\nimport os\ndef f(a):\n    exec(a)\n    return None\n```\n";
    let issues = scan_text(text, &RULES);
    assert_eq!(issues.len(), 1);
    assert_eq!((issues[0].line, issues[0].column), (10, 5));
    assert_eq!(text.get(issues[0].span.clone()), Some("exec(a)"));
}

#[test]
fn code_that_was_not_reached_is_an_issue() {
    let past = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
    let issues = scan_text_until("```\nimport os\nexec(a)\n```\n", None, &RULES, past);
    assert_eq!(issues.iter().map(|issue| issue.rule.as_str()).collect::<Vec<_>>(), [UNREADABLE]);
}

#[test]
fn a_wrong_tag_hides_nothing() {
    let code = "import os\n\ndef run(a):\n    exec(a)\n    return None\n";
    for (tag, count) in [("python", 1), ("java", 1), ("text", 1), ("bash", 1), ("python3.11", 1)] {
        assert_eq!(scan_text(&format!("```{tag}\n{code}```\n"), &RULES).len(), count, "{tag}");
    }
    assert_eq!(scan_text(code, &RULES).len(), 1);
    assert_eq!(scan_text("Never call exec(a) on input, and import nothing.", &RULES), []);
}

/// What is found, as rule, line and the text it lies on.
fn found(text: &str) -> Vec<(String, usize, &str)> {
    let issues = scan_text(text, &RULES);
    issues.into_iter().map(|issue| (issue.rule, issue.line, &text[issue.span])).collect()
}

const CODE: &str = "import os\nfrom flask import request\nos.system(\"ping \" + request.args[\"host\"])\n";
const CALL: &str = "os.system(\"ping \" + request.args[\"host\"])";

#[test]
fn code_is_found_wherever_it_stands() {
    let json = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let behind = |mark: &str| CODE.lines().flat_map(|line| [mark, line, "\n"]).collect::<String>();
    let html = CODE.replace('"', "&quot;");
    for (text, line) in [
        (format!("Here:\n\n{}\nDone.", behind("    ")), 5),
        (format!("Here:\n{CODE}Done."), 4),
        (format!("Run `{CALL}` now."), 1),
        (format!("Run `{CALL}"), 1),
        (format!("So:\n{CALL}\nDone."), 2),
        (format!("| step | code |\n|---|---|\n| 1 | `{CALL}` |\n| 2 | done |\n"), 3),
        (format!("| step | code |\n|---|---|\n| 1 | {CALL} |\n"), 3),
        (format!("{{\"code\": \"{}\"}}", json(CODE)), 1),
        (format!("Call it:\n{{\"code\": \"{}\"}}\nDone.", json(CODE)), 2),
        (format!("{{\"code\": \"{}", json(CODE)), 1),
        (format!("{{\"a\": \"{}\"}}", json(&format!("{{\"b\": \"{}\"}}", json(CODE)))), 1),
        (format!("{{\"a\": \"{}\"}}", json(&format!("So:\n```python\n{CODE}```\n"))), 1),
        (
            format!(
                "```json\n{{\"source\": [\n{}\n]}}\n```",
                CODE.lines().map(|line| format!("\"{}\\n\"", json(line))).collect::<Vec<_>>().join(",\n")
            ),
            5,
        ),
        (format!("<html><body><pre><code class=\"language-python\">{CODE}</code></pre></body></html>"), 3),
        (format!("<pre><code>{html}</code></pre>"), 3),
        (format!("```html\n<pre>{html}</pre>\n```"), 4),
        (format!("```diff\n--- a/app.py\n+++ b/app.py\n@@ -1,3 +1,4 @@\n{}```\nDone.", behind("+")), 7),
        (format!("Apply:\n--- a/app.py\n+++ b/app.py\n@@ -1,3 +1,4 @@\n{}", behind("+")), 7),
        (format!("```bash\ncat > app.py <<'EOF'\n{CODE}EOF\npython3 app.py\n```\nDone."), 5),
        (format!("```bash\npython3 -c '{CODE}'\n```"), 4),
        (format!("> {}", behind("> ").trim_start_matches("> ")), 3),
        (format!("> ```python\n{}> ```\n", behind("> ")), 4),
        (format!("Try:\n{}Done.", behind(">>> ")), 4),
        (format!("````\n```python\n{CODE}```\n````\n"), 5),
        (format!("```markdown\nSo:\n~~~\n{CODE}~~~\n```\n"), 6),
        (format!("```rust\n{CODE}```\n"), 4),
    ] {
        let issues = found(&text);
        assert_eq!(
            issues.iter().map(|issue| (issue.0.as_str(), issue.1)).collect::<Vec<_>>(),
            [("code.python.os-system", line)],
            "{text}"
        );
        assert!(issues[0].2.starts_with("os.system("), "{text}: {}", issues[0].2);
        let harmless =
            text.replace("request.args[\"host\"]", "\"db\"").replace("request.args[\\\"host\\\"]", "\\\"db\\\"");
        let harmless = harmless.replace("request.args[&quot;host&quot;]", "'db'");
        let harmless = if harmless == text { text.replace("request.args", "").replace("host", "") } else { harmless };
        if !harmless.contains("request.args") && !text.contains("\\\\\\\"") {
            assert_eq!(found(&harmless), [], "{harmless}");
        }
    }
}

#[test]
fn prose_that_names_an_api_is_not_code() {
    for text in [
        "Never call `os.system(cmd)` or `subprocess.run(cmd, shell=True)`; `eval()` is worse.",
        "| call | why |\n|---|---|\n| `pickle.loads(data)` | runs code |\n| hashlib.md5(data) | is weak |\n",
        "The function \"exec(code)\" runs text.\nSo does eval(code).\n",
        "> Use yaml.load(f) with care, he said.\n> It runs code.\n",
        "print(\"import os\\nos.system(a + b)\")",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn two_languages_in_one_block_are_both_read() {
    let script = "const cp = require('child_process');\ncp.exec(`ping ${host}`, () => console.log('x'));\n";
    let long = format!("{}\n", "def f(a):\n    return a\n\n".repeat(1_000));
    for first in ["import os\n\ndef f(a):\n    return a\n", &long] {
        let text = format!("```python\n{first}\n{script}\n{CODE}```\n");
        let rules: Vec<_> = found(&text).into_iter().map(|issue| issue.0).collect();
        assert_eq!(rules, ["code.javascript.child-process", "code.python.os-system"], "{}", first.len());
    }
}

#[test]
fn a_wrong_tag_is_noticed_in_long_code() {
    let code = format!("{}{CODE}", "# All that follows was written by hand.\n".repeat(1_000));
    assert_eq!(found(&format!("```javascript\n{code}```\n")).len(), 1);
    assert_eq!(found(&format!("```\n{code}```\n")).len(), 1);
}

#[test]
fn letters_that_python_takes_for_others_hide_nothing() {
    let text = "```python\nimport os\nos.ｓｙｓｔｅｍ(\"ping \" + a)\n𝐞𝐯𝐚𝐥(a)\n```";
    let issues = found(text);
    assert_eq!(
        issues.iter().map(|issue| (issue.1, issue.2)).collect::<Vec<_>>(),
        [(3, "os.ｓｙｓｔｅｍ(\"ping \" + a)"), (4, "𝐞𝐯𝐚𝐥(a)")]
    );
}

#[test]
fn a_comment_amid_an_expression_says_nothing() {
    let call = |last: &str| format!("```python\nimport os\nos.system(  # run\n  \"ping \" +  # it\n  {last})\n```");
    assert_eq!(found(&call("\"db\"")), []);
    assert_eq!(found(&call("host")).len(), 1);
}
