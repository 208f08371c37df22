//! `ringfence guard`: what exactly does a guard see?

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use guard_model::{
    prompt::{Categories, Category, Message, Template},
    vocabulary::Vocabulary,
};
use serde_json::{Map, Value, json};

use super::classify::{next_line, turn};

/// The arguments of `ringfence guard`.
#[derive(Debug, Clone, Args)]
pub struct GuardArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Show the prompts and tokens a Llama Guard is asked with
    Render(RenderArgs),
}

/// The arguments of `ringfence guard render`.
#[derive(Debug, Clone, Args)]
pub struct RenderArgs {
    /// The template, such as `lg3_1b_canonical`; a wrong name lists them all
    #[arg(long, value_name = "NAME")]
    template: String,
    /// The tokenizer: a tokenizer.json, a tokenizer.model of Meta's, or a GGUF file
    #[arg(long, value_name = "FILE")]
    tokenizer: PathBuf,
    /// One JSON object per line: {"id","messages":[{"role","content"}]}
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-", default_value = "-")]
    jsonl: String,
    /// A file of categories instead of the template's own
    #[arg(long, value_name = "FILE")]
    taxonomy: Option<PathBuf>,
    /// The code of a category to leave out; may be repeated
    #[arg(long, value_name = "CODE")]
    exclude: Vec<String>,
}

/// Runs the command: exit code 0 when every line was told, 2 when one could not be read.
///
/// A conversation the template refuses, or one that asks for categories that are not there, is an answer,
/// `{"id","error"}`, and no failure.
///
/// # Errors
/// The template, the tokenizer or the categories cannot be had, or the input or output fails.
pub fn run(arguments: GuardArgs) -> anyhow::Result<ExitCode> {
    let Command::Render(arguments) = arguments.command;
    let template = Template::named(&arguments.template)?;
    let vocabulary = Vocabulary::open(&arguments.tokenizer)?;
    let categories = categories(&template, &arguments)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let render = |line: &str| answer(line, &template, &vocabulary, &categories);
    let failed = if arguments.jsonl == "-" {
        lines("-", io::stdin().lock(), &mut out, &render)?
    } else {
        let input = File::open(&arguments.jsonl).with_context(|| format!("`{}` cannot be opened", arguments.jsonl))?;
        lines(&arguments.jsonl, BufReader::new(input), &mut out, &render)?
    };
    out.flush()?;
    Ok(ExitCode::from(if failed { 2 } else { 0 }))
}

fn categories(template: &Template, arguments: &RenderArgs) -> anyhow::Result<Categories> {
    let list = match &arguments.taxonomy {
        Some(path) => Categories::open(path)?,
        None if template.taxonomy().is_empty() => {
            return Ok(Categories { taxonomy: "none".to_owned(), categories: Vec::new() });
        }
        None => Categories::named(template.taxonomy())?,
    };
    Ok(list.without(&arguments.exclude)?)
}

/// Answers every line; true when one could not be read.
fn lines(
    name: &str,
    mut input: impl BufRead,
    out: &mut impl Write,
    render: &dyn Fn(&str) -> anyhow::Result<Option<Value>>,
) -> anyhow::Result<bool> {
    let (mut number, mut failed) = (0_usize, false);
    while let Some(line) = next_line(&mut input)? {
        number += 1;
        match line.and_then(|line| render(&line)) {
            Ok(Some(answer)) => writeln!(out, "{}", one_line(&answer))?,
            Ok(None) => {}
            Err(error) => {
                eprintln!("{name}:{number}: {error:#}");
                failed = true;
            }
        }
    }
    Ok(failed)
}

/// JSON without the characters that some readers of lines take for an end of one; they only ever stand in strings.
fn one_line(answer: &Value) -> String {
    let ends = [('\u{85}', "\\u0085"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")];
    ends.iter().fold(answer.to_string(), |line, (end, escaped)| line.replace(*end, escaped))
}

/// The answer to a line, nothing for a blank one.
fn answer(
    line: &str,
    template: &Template,
    vocabulary: &Vocabulary,
    categories: &Categories,
) -> anyhow::Result<Option<Value>> {
    if line.trim().is_empty() {
        return Ok(None);
    }
    let value: Value = serde_json::from_str(line).context("not a JSON object")?;
    let Some(messages) = value.get("messages").and_then(Value::as_array) else { bail!("`messages` is not a list") };
    let turns = messages.iter().map(message).collect::<anyhow::Result<Vec<_>>>()?;
    let messages: Vec<Message<'_>> = turns.iter().map(|(role, text)| Message::new(role, text)).collect();
    let told = || -> anyhow::Result<(String, Vec<u32>)> {
        // A chat has no categories, whatever the line says of them.
        let own = if template.taxonomy().is_empty() { None } else { own_categories(&value, categories)? };
        let prompt = template.render(&messages, own.as_ref().unwrap_or(categories))?;
        Ok((prompt.text(), prompt.ids(vocabulary)?))
    };
    let mut answer = Map::from_iter([("id".to_owned(), value.get("id").cloned().unwrap_or(Value::Null))]);
    match told() {
        Ok((text, ids)) => answer.extend([("prompt".to_owned(), json!(text)), ("ids".to_owned(), json!(ids))]),
        Err(error) => answer.extend([("error".to_owned(), json!(error.to_string()))]),
    }
    Ok(Some(Value::Object(answer)))
}

fn message(message: &Value) -> anyhow::Result<(String, String)> {
    let role = message.get("role").and_then(Value::as_str).context("a message has no `role`")?;
    // Which roles there are is the template's business, not ours.
    let mut known = message.clone();
    if let Some(known) = known.get_mut("role") {
        *known = json!("user");
    }
    Ok((role.to_owned(), turn(&known)?.1))
}

/// The categories of a line that brings its own, in the words of the models' chat templates: `categories`, an object of
/// texts, and `excluded_category_keys`; beside the messages or in `args`.
fn own_categories(line: &Value, usual: &Categories) -> anyhow::Result<Option<Categories>> {
    let args = line.get("args");
    let given = |key: &str| line.get(key).or_else(|| args?.get(key)).filter(|value| !value.is_null());
    let described = usual.categories.iter().any(|category| category.description.is_some());
    if given("with_policy").is_some_and(|wanted| *wanted == true) && !described {
        bail!(
            "the line asks for categories with descriptions, which are not shipped; give them with `--taxonomy FILE`"
        );
    }
    let (custom, excluded) = (given("categories"), given("excluded_category_keys"));
    if custom.is_none() && excluded.is_none() {
        return Ok(None);
    }
    let mut list = usual.clone();
    if let Some(custom) = custom {
        let custom = custom.as_object().context("`categories` is not an object of texts")?;
        let category = |(code, text): (&String, &Value)| {
            let text = text.as_str().with_context(|| format!("category `{code}` is not a text"))?;
            Ok(Category::of_text(code, text))
        };
        list.categories = custom.iter().map(category).collect::<anyhow::Result<_>>()?;
    }
    let excluded = excluded.and_then(Value::as_array).into_iter().flatten();
    let excluded: Vec<&str> = excluded.filter_map(Value::as_str).collect();
    Ok(Some(list.without(&excluded)?))
}

#[cfg(test)]
mod tests {
    use super::{answer, one_line, own_categories};
    use guard_model::{
        prompt::{Categories, Template},
        vocabulary::Vocabulary,
    };
    use serde_json::{Value, json};

    #[test]
    fn a_line_may_bring_its_own_categories() {
        let usual = Categories::named("llama-guard-3-1b").unwrap();
        let own = |line: Value| own_categories(&line, &usual);
        assert_eq!(own(json!({"messages": []})).unwrap(), None);
        let line =
            json!({"args": {"categories": {"S1": "Puns. \nBad ones.", "S2": "x"}, "excluded_category_keys": ["S2"]}});
        let list = own(line).unwrap().unwrap();
        assert_eq!((list.codes().as_str(), list.categories[0].name.as_str()), ("S1", "Puns"));
        assert_eq!(list.categories[0].description.as_deref(), Some("Bad ones."));
        assert!(own(json!({"excluded_category_keys": ["S99"]})).unwrap_err().to_string().contains("`S99`"));
        assert!(own(json!({"args": {"with_policy": true}})).unwrap_err().to_string().contains("--taxonomy"));
    }

    #[test]
    fn an_answer_is_one_line_for_every_reader_of_lines() {
        let answer = json!({"prompt": "a\u{85}b\u{2028}c\u{2029}d\ne\u{1c}"});
        let line = one_line(&answer);
        assert!(line.is_ascii() && !line.contains(char::is_control), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), answer);
    }

    #[test]
    fn a_refused_conversation_is_an_answer_and_a_bad_line_is_not() {
        let file = std::env::temp_dir().join(format!("ringfence-tokenizer-{}.json", std::process::id()));
        let vocab: serde_json::Map<String, Value> = [("a".to_owned(), json!(0))].into_iter().collect();
        let tokenizer = json!({"model": {"type": "BPE", "vocab": vocab, "merges": []},
            "added_tokens": [{"id": 1, "content": "<|begin_of_text|>"}], "pre_tokenizer": {"type": "ByteLevel",
            "add_prefix_space": false, "trim_offsets": false, "use_regex": true}});
        std::fs::write(&file, tokenizer.to_string()).unwrap();
        let vocabulary = Vocabulary::open(&file);
        std::fs::remove_file(&file).unwrap();
        let (template, vocabulary) = (Template::named("lg3_1b_hf").unwrap(), vocabulary.unwrap());
        let categories = Categories::named(template.taxonomy()).unwrap();
        let told = |line: &str| answer(line, &template, &vocabulary, &categories);
        let refused = told(r#"{"id": 4, "messages": [{"role": "system", "content": "x"}]}"#).unwrap().unwrap();
        assert_eq!(refused["id"], 4);
        assert!(refused["error"].as_str().unwrap().contains("alternate"), "{refused}");
        let strange = told(r#"{"messages": [{"role": "user", "content": "x"}]}"#).unwrap().unwrap();
        let lacking = told(r#"{"messages": [{"role": "user", "content": "x"}], "args": {"with_policy": true}}"#);
        assert!(lacking.unwrap().unwrap()["error"].as_str().unwrap().contains("--taxonomy"));
        assert!(strange["error"].as_str().unwrap().contains("<|start_header_id|>"), "{strange}");
        assert!(told("[]").is_err() && told(r#"{"messages": [{"content": "x"}]}"#).is_err());
        assert!(told("  ").unwrap().is_none());
    }
}
