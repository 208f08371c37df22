//! Prompts and tokens against those that Meta's and Hugging Face's own code made, where `../shared` has them.
//!
//! The tokenizers are no part of this repository; `tests/run` fetches them into `target/tokenizers`. The examples in
//! `prompts.rs` were written for this project and run everywhere; these here are read from `../shared/data`, and where
//! that is missing they say so and pass.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests may end the test")]

mod support;

use guard_model::prompt::{Categories, Category, Message, Template};
use serde_json::Value;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::vocabularies;

/// The lines of a file in `../shared/data`, or nothing where there is no such folder.
fn lines(name: &str) -> Option<Vec<Value>> {
    let path = shared("data").map(|data| data.join(name))?;
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        let gzip = Command::new("gzip").arg("-dc").arg(&path).stdout(Stdio::piped()).spawn();
        let mut gzip = gzip.expect("gzip is needed to read the golden prompts");
        gzip.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(gzip.wait().unwrap().success());
    } else {
        text = std::fs::read_to_string(path).unwrap();
    }
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

#[test]
fn every_string_has_the_tokens_of_metas_tokenizer() {
    let Some(lines) = lines("llama_tokenizer_golden.jsonl") else { return };
    assert_eq!(lines.len(), 445);
    for (file, vocabulary) in vocabularies("llama3") {
        for line in &lines {
            let text = line["text"].as_str().unwrap();
            assert_eq!(vocabulary.encode(text).unwrap(), ids(&line["ids_plain"]), "{file}: {text:?}");
        }
        println!("{file}: {} strings", lines.len());
    }
}

#[test]
fn every_conversation_is_told_as_metas_own_code_tells_it() {
    let Some(lines) = lines("llama_guard_golden.jsonl.gz") else { return };
    assert_eq!(lines.len(), 93);
    for (file, vocabulary) in vocabularies("llama3") {
        let (mut prompts, mut tokens, mut errors) = (0, 0, 0);
        for line in &lines {
            let messages: Vec<Message<'_>> = line["messages"].as_array().unwrap().iter().map(message).collect();
            for (name, golden) in line["variants"].as_object().unwrap() {
                let template = Template::named(name).unwrap();
                let prompt = template.render(&messages, &categories(line, &template));
                let what = format!("{file}: {} {name}", line["id"]);
                if golden.get("error").is_some() {
                    let error = prompt.expect_err(&what).to_string();
                    assert!(!golden["error"].as_str().unwrap().starts_with("Template") || error.contains("alternate"));
                    errors += 1;
                    continue;
                }
                let prompt = prompt.expect(&what);
                if let Some(text) = golden["prompt"].as_str() {
                    assert_eq!(prompt.text(), text, "{what}");
                    prompts += 1;
                }
                if let Some(text) = golden["user_content"].as_str() {
                    assert!(prompt.text().contains(text), "{what}");
                    prompts += 1;
                }
                let expected = match &golden["ids_content_plain"] {
                    Value::Array(_) => &golden["ids_content_plain"],
                    _ => &golden["ids"],
                };
                // Names of reserved tokens differ between files; they only count where a template makes tokens of content.
                if !expected.is_null() {
                    assert_eq!(prompt.ids(&vocabulary).unwrap(), ids(expected), "{what}");
                    tokens += 1;
                }
            }
        }
        println!("{file}: {prompts} prompts, {tokens} lists of tokens, {errors} errors");
        assert!(prompts > 800 && tokens > 900 && errors == 29, "{prompts} {tokens} {errors}");
    }
}

fn message(message: &Value) -> Message<'_> {
    Message::new(message["role"].as_str().unwrap(), message["content"].as_str().unwrap())
}

/// What a line of the golden file is judged by.
fn categories(line: &Value, template: &Template) -> Categories {
    let named = |name: &str| Categories::named(name).unwrap();
    let nothing = || Categories { taxonomy: String::new(), categories: Vec::new() };
    let mut list = if template.taxonomy().is_empty() { nothing() } else { named(template.taxonomy()) };
    let args = &line["args"];
    if let Some(custom) = args["categories"].as_object() {
        list.categories = custom.iter().map(|(code, text)| Category::of_text(code, text.as_str().unwrap())).collect();
    }
    if args["with_policy"] == true {
        list.categories = match line["id"].as_str().unwrap() {
            "cat_cookbook_policy_lg3" => vec![described_as("S1", "Custom. \nAI models should not discuss custom.")],
            id => described(id.split('_').nth(2).unwrap()),
        };
    }
    let excluded: Vec<&str> = args["excluded_category_keys"]
        .as_array()
        .map_or(Vec::new(), |codes| codes.iter().map(|code| code.as_str().unwrap()).collect());
    list.without(&excluded).unwrap_or_else(|_| nothing())
}

/// A category with a description of its own, as a taxonomy file would give it.
fn described_as(code: &str, text: &str) -> Category {
    Category { text: None, ..Category::of_text(code, text) }
}

/// The long texts of the cookbook, which are not shipped: read from the facts beside the data.
fn described(model: &str) -> Vec<Category> {
    let facts = std::fs::read_to_string(shared("facts").unwrap().join("llama-guard.md")).unwrap();
    let heading = format!("#### {}", model.to_uppercase());
    let rest = &facts[facts.find(&heading).unwrap()..];
    let lines = rest.lines().skip(1).take_while(|line| line.starts_with("- "));
    let parts = lines.map(|line| line.strip_prefix("- ").unwrap().split_once(": ").unwrap());
    parts.map(|(code, text)| described_as(code, &serde_json::from_str::<String>(text).unwrap())).collect()
}

/// A folder beside the project, or nothing, said aloud.
fn shared(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(name);
    if !folder.is_dir() {
        println!("skipped: there is no `{}`", folder.display());
        return None;
    }
    Some(folder)
}
