//! Every document's examples are run here: a new rule needs no Rust.

use crate::{Language, RuleSet, scan};

#[test]
fn every_example_fires_where_it_says() {
    let rules = RuleSet::built_in().unwrap();
    let mut wrong = Vec::new();
    for &language in Language::ALL {
        let documents = rules.documents_of(language);
        if let Err(error) = crate::ruleset::Compiled::new(language, &documents) {
            panic!("{language}: {error}");
        }
        for document in documents {
            let id = document.id(language);
            let folder = document.file.split('/').next().and_then(Language::from_tag);
            for example in &document.examples {
                if example.language != language && Some(example.language) != folder {
                    continue;
                }
                let issues = scan(&example.code, language, &rules);
                let mut seen: Vec<usize> =
                    issues.iter().filter(|issue| issue.rule == id).map(|issue| issue.line).collect();
                seen.dedup();
                if seen != example.firing {
                    wrong.push(format!("{id}: fires on {seen:?}, its examples say {:?}", example.firing));
                }
                for other in issues.iter().filter(|issue| issue.rule != id && !example.firing.contains(&issue.line)) {
                    wrong.push(format!("{id}: `{}` fires on line {} of an example", other.rule, other.line));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_language_has_rules() {
    let rules = RuleSet::built_in().unwrap();
    for &language in Language::ALL {
        assert!(rules.documents_of(language).len() >= 4, "{language}");
    }
}
