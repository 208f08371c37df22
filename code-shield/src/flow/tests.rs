//! The development set: what data flow must tell apart, in `tests/flow/<language>.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use proptest::prelude::*;

use crate::{Language, RuleSet, scan};

struct Case {
    cwe: u16,
    vulnerable: bool,
    title: String,
    code: String,
}

fn cases(markdown: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for section in markdown.split("\n## ").skip(1) {
        let (title, rest) = section.split_once('\n').unwrap();
        let (_, code) = rest.split_once('\n').unwrap();
        let (code, _) = code.split_once("\n```").unwrap();
        let cwe = title.strip_prefix("CWE-").unwrap().split(' ').next().unwrap().parse().unwrap();
        cases.push(Case {
            cwe,
            vulnerable: title.contains(" vulnerable: "),
            title: title.to_owned(),
            code: format!("{code}\n"),
        });
    }
    cases
}

/// Weaknesses that are one family.
fn family(cwe: u16) -> u16 {
    match cwe {
        77 | 78 | 88 => 78,
        94 | 95 | 1336 => 95,
        327 | 326 | 310 | 321 => 327,
        328 | 916 => 328,
        330 | 338 | 335 => 330,
        614 | 1004 | 311 => 614,
        564 => 89,
        80 => 79,
        23 | 36 | 73 => 22,
        other => other,
    }
}

/// What is told right of all vulnerable cases, and wrong of all safe ones, in percent.
fn measure(language: Language, markdown: &str) -> (f64, f64) {
    let rules = RuleSet::built_in().unwrap();
    let mut table: BTreeMap<u16, [usize; 4]> = BTreeMap::new();
    for case in cases(markdown) {
        let issues = scan(&case.code, language, &rules);
        let found = issues.iter().any(|issue| issue.cwe.map(family) == Some(family(case.cwe)));
        let row = table.entry(family(case.cwe)).or_default();
        let at = if case.vulnerable { 0 } else { 2 };
        row[at] += usize::from(found);
        row[at + 1] += 1;
        if found != case.vulnerable {
            let seen: Vec<_> = issues.iter().map(|issue| (&issue.rule, issue.line)).collect();
            println!("{language}: {}: found {seen:?}", case.title);
        }
    }
    let mut all = [0; 4];
    for (family, row) in &table {
        println!("{language} CWE-{family}: found {}/{}, flagged safe {}/{}", row[0], row[1], row[2], row[3]);
        for (sum, one) in all.iter_mut().zip(row) {
            *sum += one;
        }
    }
    println!("{language}: found {}/{}, flagged safe {}/{}", all[0], all[1], all[2], all[3]);
    (100.0 * all[0] as f64 / all[1] as f64, 100.0 * all[2] as f64 / all[3] as f64)
}

#[test]
fn scripts_tell_vulnerable_from_safe() {
    for language in [Language::JavaScript, Language::TypeScript, Language::Tsx] {
        let (found, flagged) = measure(language, include_str!("../../tests/flow/javascript.md"));
        assert!(found >= 90.0 && flagged <= 10.0, "{found} {flagged}");
    }
}

#[test]
fn go_tells_vulnerable_from_safe() {
    let (found, flagged) = measure(Language::Go, include_str!("../../tests/flow/go.md"));
    assert!(found >= 90.0 && flagged <= 10.0, "{found} {flagged}");
}

#[test]
fn java_tells_vulnerable_from_safe() {
    let (found, flagged) = measure(Language::Java, include_str!("../../tests/flow/java.md"));
    assert!(found >= 90.0 && flagged <= 10.0, "{found} {flagged}");
}

#[test]
fn python_tells_vulnerable_from_safe() {
    let (found, flagged) = measure(Language::Python, include_str!("../../tests/flow/python.md"));
    assert!(found >= 90.0 && flagged <= 10.0, "{found} {flagged}");
}

fn rules_of(code: &str, language: Language) -> Vec<String> {
    scan(code, language, &RULES).into_iter().map(|issue| issue.rule).collect()
}

static RULES: LazyLock<RuleSet> = LazyLock::new(|| RuleSet::built_in().unwrap());

#[test]
fn an_issue_shows_the_way() {
    let code = "import os\nfrom flask import request\ndef run(line):\n    os.system(line)\ndef view():\n    é = request.args['x']\n    run('a ' + é)\n";
    let issues = scan(code, Language::Python, &RULES);
    let [issue] = issues.as_slice() else { panic!("{issues:?}") };
    assert_eq!((issue.rule.as_str(), issue.line), ("code.python.os-system", 4));
    let way: Vec<_> = issue.path.iter().map(|step| (step.line, step.column, step.says.as_str())).collect();
    assert_eq!(
        way,
        [
            (6, 9, "`flask.request.args` comes from outside"),
            (6, 5, "`é` takes it"),
            (7, 5, "it is handed over as `line`"),
            (4, 5, "`system` gets it"),
        ]
    );
    assert!(issue.path.iter().all(|step| code.get(step.span.clone()).is_some()));
}

#[test]
fn a_way_in_a_text_lies_in_the_text() {
    let text = "Try:\n```python\nimport os, sys\nname = sys.argv[1]\nos.system('rm ' + name)\n```\n";
    let issues = crate::scan_text(text, &RULES);
    let first = issues[0].path.first().unwrap();
    assert_eq!((issues[0].line, first.line), (5, 4));
    assert_eq!(text.get(first.span.clone()), Some("sys.argv"));
}

#[test]
fn what_calls_itself_or_doubles_ends() {
    let mut code = String::from("import os, sys\ndef f0(a):\n    return f0(a) + a\n");
    for at in 1..40 {
        let before = at - 1;
        write!(code, "def f{at}(a):\n    return f{before}(a) + f{before}(a + 'x')\n").unwrap();
    }
    code.push_str("os.system(f39(sys.argv[1]))\n");
    for depth in 0..12 {
        let indent = " ".repeat(depth);
        writeln!(code, "{indent}for a{depth} in b:").unwrap();
    }
    writeln!(code, "{}c = c + a1", " ".repeat(12)).unwrap();
    assert_eq!(rules_of(&code, Language::Python), ["code.python.os-system"]);
}

#[test]
fn deep_code_is_followed_without_recursion() {
    let start = [
        (Language::Python, "import sys\nx = sys.argv\n"),
        (Language::JavaScript, "const x = req.query;\n"),
        (Language::Java, "class A { void f(HttpServletRequest request) { String x = request.getParameter(\"\");\n"),
        (Language::Go, "package main\nimport \"os\"\nvar x = os.Args\n"),
    ];
    for (language, start) in start {
        for (open, close) in [("(", ")"), ("f(", ")"), ("[", "]"), ("x + ", ""), ("{", "}"), ("x.f(", ")"), ("!", "")] {
            let code = format!("{start}y = {}x{}\n", open.repeat(20_000), close.repeat(20_000));
            // A stack that overflowed, or a run without an end, would end the test.
            let _ = scan(&code, language, &RULES);
        }
    }
}

#[test]
fn a_way_that_does_not_fit_names_its_document() {
    let document =
        "---\nseverity: error\nmessage: m\n---\n# mine\n```flow\nsinks: [f]\n```\n```python\nf()  # issue\nf\n```\n";
    let error = RuleSet::with_documents(&[("python/mine.md".to_owned(), document.to_owned())]).err().unwrap();
    assert_eq!((error.file.as_str(), error.line), ("python/mine.md", 7));
    assert!(error.to_string().contains("which arguments"), "{error}");
}

#[test]
fn an_operators_rule_follows_data() {
    let document = "---\ncwe: CWE-117\nseverity: warning\nmessage: m\n---\n# mine\n```flow\nfrom: [request]\nsinks: ['journal.note(0)']\nsanitizers: [clean()]\n```\n```python\njournal.note(request.args['a'])  # issue\nx\n```\n";
    let rules = RuleSet::with_documents(&[("python/mine.md".to_owned(), document.to_owned())]).unwrap();
    let code = "from flask import request\na = request.args['a']\njournal.note(a)\njournal.note(clean(a))\n";
    let lines: Vec<_> = scan(code, Language::Python, &rules).iter().map(|issue| issue.line).collect();
    assert_eq!(lines, [3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_code_can_be_followed(words in proptest::collection::vec(0..WORDS.len(), 0..80), which in 0..Language::ALL.len()) {
        let mut code = String::from("sys.argv req.query request.getParameter http.Request.URL r.URL.Query()\n");
        code.extend(words.into_iter().filter_map(|word| WORDS.get(word)).flat_map(|word| [*word, " "]));
        for issue in scan(&code, Language::ALL[which], &RULES) {
            for step in issue.path {
                prop_assert!(code.get(step.span).is_some());
            }
        }
    }
}

/// What code is made of in the languages that are followed.
const WORDS: [&str; 48] = [
    "if", "else", "for", "while", "switch", "case", "default", "try", "catch", "finally", "except", "return", "break",
    "continue", "class", "def", "function", "func", "new", "match", "with", "lambda", "=>", "=", "+=", "==", "in",
    "not", "(", ")", "{", "}", "[", "]", ":", ";", ",", ".", "\n", "\n    ", "a", "b", "self", "this", "'x'", "1",
    "f(", "é",
];
