//! How it does on texts nobody here wrote: the development data beside the project, where there is any.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::super::views;
use super::encoders::ALL;
use super::matrix::is_seen;

fn rows(name: &str) -> Option<Vec<Value>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: there is no {}", path.display());
        return None;
    };
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Every view costs a verdict, and may be judged wrongly.
#[test]
fn few_ordinary_texts_have_views() {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut count = |group: String, text: &str| {
        let seen = views(text);
        assert!(seen.complete, "{text}");
        let (all, with) = counts.entry(group).or_default();
        *all += 1;
        *with += usize::from(!seen.views.is_empty());
    };
    let (Some(prose), Some(code)) = (rows("guard_dev.jsonl"), rows("code_dev.jsonl")) else { return };
    for row in prose.iter().filter(|row| row["label"] == "safe") {
        let group = format!("prose, {}, {}", row["source"].as_str().unwrap(), row["lang"].as_str().unwrap());
        count(group, row["text"].as_str().unwrap());
    }
    for row in &code {
        count(format!("code, {}", row["language"].as_str().unwrap_or("?")), row["code"].as_str().unwrap());
    }
    for (group, (all, with)) in counts.iter().filter(|(_, (_, with))| *with > 0) {
        println!("{group}: {with} of {all}");
    }
    for (kind, most) in [("prose", 0.002), ("code", 0.02)] {
        let (all, with) = counts
            .iter()
            .filter(|(group, _)| group.starts_with(kind))
            .fold((0, 0), |(all, with), (_, (more, more_with))| (all + more, with + more_with));
        let share = with as f64 / all as f64;
        println!("{kind}: {with} of {all} have views, {:.2} %", share * 100.0);
        assert!(share <= most, "{kind}: {with} of {all}");
    }
}

#[test]
fn transforms_of_other_texts_are_undone() {
    let Some(rows) = rows("guard_dev.jsonl") else { return };
    let texts: Vec<&str> = rows
        .iter()
        .filter(|row| row["label"] == "unsafe" && row["lang"] == "en")
        .filter(|row| ["strongreject", "harmbench", "simplesafetytests"].contains(&row["source"].as_str().unwrap()))
        .filter_map(|row| row["text"].as_str())
        .filter(|text| text.is_ascii() && (25..300).contains(&text.len()))
        .step_by(3)
        .collect();
    let (mut seen, mut all) = (0, 0);
    let mut missed: BTreeMap<&str, usize> = BTreeMap::new();
    for transform in ALL {
        for text in &texts {
            let found = is_seen(text, &(transform.apply)(text));
            all += 1;
            seen += u32::from(found);
            if !found {
                *missed.entry(transform.name).or_default() += 1;
            }
        }
    }
    println!("others' texts: {seen} of {all} seen ({} texts), missed {missed:?}", texts.len());
    assert!(f64::from(seen) >= f64::from(all) * 0.97, "{missed:?}");
}
