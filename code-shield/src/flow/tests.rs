//! The development set: what data flow must tell apart, in `tests/flow/<language>.md`.

use std::collections::BTreeMap;

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
