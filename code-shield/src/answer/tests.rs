use std::time::Duration;

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
