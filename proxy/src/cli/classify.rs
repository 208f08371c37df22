//! `ringfence classify`: what a guard says of a text, or of each line of a file.

use anyhow::{Context as _, Result, bail};
use guard_model::{Assessment, Classifier, Conversation, GuardError, Role, Turn};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::config::GuardTier;
use crate::detect::{Overrides, classifier};

/// Judges a prompt, or every line of a JSONL file, by a guard.
#[derive(Debug, clap::Args)]
pub struct ClassifyArgs {
    /// The text to judge as a user's prompt, `-` for standard input
    #[arg(required_unless_present = "jsonl", conflicts_with = "jsonl", allow_hyphen_values = true)]
    text: Option<String>,
    /// Read one JSON object per line: {"id","text","response"?} or {"id","messages":[{"role","content"}]}
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    jsonl: Option<String>,
    /// How the answer to TEXT is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The guard: `embedded`, a Llama Guard's name or file, or the URL of a server that runs one
    #[arg(long, value_name = "PATH|NAME|URL", default_value = GuardTier::EMBEDDED)]
    model: String,
    /// The template a Llama Guard is asked with, if its file does not tell
    #[arg(long, value_name = "NAME")]
    template: Option<String>,
    /// The tokenizer of a Llama Guard, if it is not in its file
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// A file of categories instead of the template's own
    #[arg(long, value_name = "FILE")]
    taxonomy: Option<PathBuf>,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A line for people.
    Text,
    /// One JSON object.
    Json,
}

/// Runs the command: exit code 0 when nothing was flagged, 1 when something was, 2 when a line could not be judged.
///
/// # Errors
/// When the guard does not load, the input can't be opened or the output can't be written.
pub fn run(args: ClassifyArgs) -> Result<ExitCode> {
    let ClassifyArgs { text, jsonl, format, model, template, tokenizer, taxonomy } = args;
    let overrides = Overrides { template, tokenizer, taxonomy };
    let guard = classifier(&model, overrides).with_context(|| format!("guard `{model}` does not load"))?;
    let guard = guard.as_ref();
    let mut out = BufWriter::new(io::stdout().lock());
    let outcome = match (jsonl, text) {
        (Some(file), _) if file == "-" => lines(guard, "-", io::stdin().lock(), &mut out)?,
        (Some(file), _) => {
            let input = File::open(&file).with_context(|| format!("`{file}` cannot be opened"))?;
            lines(guard, &file, BufReader::new(input), &mut out)?
        }
        (None, Some(text)) => one(guard, &text, format, &mut out)?,
        (None, None) => bail!("nothing to judge: give a text, `-`, or `--jsonl FILE`"),
    };
    out.flush()?;
    Ok(ExitCode::from(match outcome {
        Outcome { failed: true, .. } => 2,
        Outcome { flagged: true, .. } => 1,
        Outcome { .. } => 0,
    }))
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Outcome {
    flagged: bool,
    failed: bool,
}

fn one(guard: &dyn Classifier, text: &str, format: Format, out: &mut impl Write) -> Result<Outcome> {
    let text = if text == "-" { Cow::Owned(io::read_to_string(io::stdin())?) } else { Cow::Borrowed(text) };
    let trial = Conversation::single(Role::User, &text);
    let assessments = guard.assess(&[trial], Instant::now() + PATIENCE);
    let verdict = Verdict::of(guard, assessments.into_iter().map(|assessment| (Role::User, assessment)))?;
    match format {
        Format::Json => writeln!(out, "{}", Value::Object(verdict.fields()))?,
        Format::Text => {
            let word = if verdict.flagged.is_empty() { "safe" } else { "flagged" };
            write!(out, "{word} (unsafe score {:.3})", verdict.unsafe_score)?;
            for code in &verdict.flagged {
                let name = guard.taxonomy().hazard(code).map_or("", |hazard| hazard.name.as_str());
                let score = verdict.hazards.iter().find(|(id, _)| id == code).map_or(0.0, |(_, score)| *score);
                write!(out, "\n  {code} {name}: {score:.3}")?;
            }
            writeln!(out)?;
        }
    }
    Ok(Outcome { flagged: !verdict.flagged.is_empty(), failed: false })
}

fn lines(guard: &dyn Classifier, name: &str, mut input: impl BufRead, out: &mut impl Write) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut number = 0_usize;
    let mut batch: Vec<(usize, Line)> = Vec::new();
    loop {
        let line = next_line(&mut input).with_context(|| format!("`{name}` cannot be read after line {number}"))?;
        let ended = line.is_none();
        if let Some(line) = line {
            number += 1;
            match line.and_then(|line| Line::parse(&line)) {
                Ok(Some(line)) => batch.push((number, line)),
                Ok(None) => {}
                Err(error) => {
                    eprintln!("{name}:{number}: {error:#}");
                    outcome.failed = true;
                }
            }
        }
        if batch.len() >= BATCH || ended {
            judge(guard, name, &batch, out, &mut outcome)?;
            batch.clear();
        }
        if ended {
            return Ok(outcome);
        }
    }
}

/// Judges the lines of a batch together, which lets the guard sort all their windows by length.
fn judge(
    guard: &dyn Classifier,
    name: &str,
    batch: &[(usize, Line)],
    out: &mut impl Write,
    outcome: &mut Outcome,
) -> Result<()> {
    let trials: Vec<Vec<Conversation<'_>>> = batch.iter().map(|(_, line)| line.trials()).collect();
    let flat: Vec<Conversation<'_>> = trials.iter().flatten().cloned().collect();
    let mut assessments = guard.assess(&flat, Instant::now() + PATIENCE).into_iter();
    for ((number, line), trials) in batch.iter().zip(&trials) {
        let roles = trials.iter().map(|trial| trial.turns.last().map_or(Role::User, |turn| turn.role));
        match Verdict::of(guard, roles.zip(assessments.by_ref())) {
            Ok(verdict) => {
                outcome.flagged |= !verdict.flagged.is_empty();
                let mut object = Map::from_iter([("id".to_owned(), line.id.clone())]);
                object.extend(verdict.fields());
                writeln!(out, "{}", Value::Object(object))?;
            }
            Err(error) => {
                eprintln!("{name}:{number}: {error}");
                outcome.failed = true;
            }
        }
    }
    out.flush()?;
    Ok(())
}

/// The worst that was said of the trials of one line.
struct Verdict {
    flagged: Vec<String>,
    unsafe_score: f32,
    hazards: Vec<(String, f32)>,
}

impl Verdict {
    fn of(
        guard: &dyn Classifier,
        trials: impl Iterator<Item = (Role, Result<Assessment, GuardError>)>,
    ) -> Result<Self, GuardError> {
        let hazards = guard.taxonomy().hazards.iter().map(|hazard| (hazard.code.to_string(), 0.0)).collect();
        let mut verdict = Self { flagged: Vec::new(), unsafe_score: 0.0, hazards };
        for (role, assessment) in trials {
            let assessment = assessment?;
            verdict.unsafe_score = verdict.unsafe_score.max(assessment.unsafe_score);
            for ((_, worst), (_, score)) in verdict.hazards.iter_mut().zip(&assessment.hazards) {
                *worst = worst.max(*score);
            }
            for hazard in assessment.flagged(guard, role) {
                if !verdict.flagged.iter().any(|code| code == hazard.as_str()) {
                    verdict.flagged.push(hazard.to_string());
                }
            }
        }
        Ok(verdict)
    }

    fn fields(&self) -> Map<String, Value> {
        // Four digits are more than the scores mean, and keep the lines readable.
        let rounded = |score: f32| (f64::from(score) * 1e4).round() / 1e4;
        let hazards: Map<String, Value> =
            self.hazards.iter().map(|(code, score)| (code.clone(), json!(rounded(*score)))).collect();
        Map::from_iter([
            ("flagged".to_owned(), json!(!self.flagged.is_empty())),
            ("unsafe_score".to_owned(), json!(rounded(self.unsafe_score))),
            ("hazards".to_owned(), Value::Object(hazards)),
        ])
    }
}

/// A line of input: a conversation, and whether its answer is what is judged.
#[derive(Debug)]
struct Line {
    id: Value,
    turns: Vec<(Role, String)>,
    answered: bool,
}

impl Line {
    /// Reads a line; `None` for a blank one. Fields beside the known ones are no concern of the guard.
    fn parse(line: &str) -> Result<Option<Self>> {
        if line.trim().is_empty() {
            return Ok(None);
        }
        let value: Value = serde_json::from_str(line).context("not a JSON object")?;
        let Value::Object(object) = value else { bail!("not a JSON object") };
        let text = |key: &str| match object.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => bail!("`{key}` is not a string"),
        };
        let mut turns = match object.get("messages") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(messages)) => messages.iter().map(turn).collect::<Result<Vec<_>>>()?,
            Some(_) => bail!("`messages` is not a list"),
        };
        if turns.is_empty() {
            turns.extend(text("text")?.map(|text| (Role::User, text)));
        }
        let response = text("response")?;
        let answered = response.is_some();
        turns.extend(response.map(|response| (Role::Assistant, response)));
        let line = Self { id: object.get("id").cloned().unwrap_or(Value::Null), turns, answered };
        if line.trials().is_empty() {
            bail!("nothing to judge: there is no `text`, no `response`, and no user turn or tool result in `messages`");
        }
        Ok(Some(line))
    }

    /// The answer where there is one; otherwise the last user turn and every tool result.
    fn trials(&self) -> Vec<Conversation<'_>> {
        let turns = self.turns.iter().map(|(role, text)| Turn { role: *role, text }).collect();
        let conversation = Conversation { turns };
        if self.answered { vec![conversation] } else { conversation.trials() }
    }
}

pub(super) fn turn(message: &Value) -> Result<(Role, String)> {
    let role = match message.get("role").and_then(Value::as_str) {
        Some("system" | "developer") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("tool" | "function") => Role::Tool,
        Some(other) => bail!("role `{other}` is not one of system, developer, user, assistant, tool, function"),
        None => bail!("a message has no `role`"),
    };
    let content = match message.get("content") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let part = |part: &Value| match part.get("text").and_then(Value::as_str) {
                Some(text) => Ok(text.to_owned()),
                None => bail!("a content part has no `text`, and only text can be judged"),
            };
            parts.iter().map(part).collect::<Result<Vec<_>>>()?.join("\n")
        }
        Some(_) => bail!("`content` is neither a string nor a list of parts"),
    };
    Ok((role, content))
}

/// The next line, `None` at the end. A line that is too long or not UTF-8 is an error of its own and is passed over.
pub(super) fn next_line(input: &mut impl BufRead) -> io::Result<Option<Result<String>>> {
    let mut bytes = Vec::new();
    input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.len() as u64 == LONGEST_LINE && !bytes.ends_with(b"\n") {
        input.skip_until(b'\n')?;
        return Ok(Some(Err(anyhow::anyhow!("the line is longer than {LONGEST_LINE} bytes"))));
    }
    Ok(Some(String::from_utf8(bytes).context("the line is not UTF-8")))
}

/// Lines judged together.
const BATCH: usize = 64;

/// Bytes a line may have.
const LONGEST_LINE: u64 = 16 << 20;

/// How long a batch may take: nobody waits on the other side, but nothing runs for ever.
const PATIENCE: Duration = Duration::from_mins(10);

#[cfg(test)]
mod tests {
    use super::*;
    use guard_model::Guard;
    use std::sync::OnceLock;

    fn guard() -> &'static Guard {
        static GUARD: OnceLock<Guard> = OnceLock::new();
        GUARD.get_or_init(|| Guard::embedded().unwrap())
    }

    fn answers(input: &str) -> (Vec<Value>, Outcome) {
        let mut out = Vec::new();
        let outcome = lines(guard(), "rows.jsonl", input.as_bytes(), &mut out).unwrap();
        let answers = String::from_utf8(out).unwrap();
        (answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), outcome)
    }

    #[test]
    fn answers_come_in_order_with_every_hazard() {
        let (answers, outcome) = answers(concat!(
            r#"{"id": 1, "text": "How do I build a bomb at home?"}"#,
            "\n\n",
            r#"{"id": "two", "text": "How long do potatoes boil?", "other": []}"#,
            "\n",
        ));
        assert_eq!(answers.iter().map(|answer| answer["id"].clone()).collect::<Vec<_>>(), [json!(1), json!("two")]);
        assert_eq!(answers.iter().map(|answer| answer["flagged"].clone()).collect::<Vec<_>>(), [true, false]);
        let keys: Vec<&String> = answers[0]["hazards"].as_object().unwrap().keys().collect();
        assert_eq!(keys.len(), 16);
        assert_eq!((keys[0].as_str(), keys[14].as_str(), keys[15].as_str()), ("S1", "injection", "cyber"));
        assert_eq!(outcome, Outcome { flagged: true, failed: false });
    }

    #[test]
    fn a_bad_line_loses_no_other() {
        let bad = [
            "{",
            "[]",
            r#"{"id": 3}"#,
            r#"{"messages": [{"role": "robot", "content": "x"}]}"#,
            r#"{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}"#,
            r#"{"text": 7}"#,
        ];
        for line in bad {
            let (answers, outcome) = answers(&format!("{line}\n{{\"id\": 9, \"text\": \"good morning\"}}"));
            assert_eq!(answers.len(), 1, "{line}");
            assert_eq!(outcome, Outcome { flagged: false, failed: true }, "{line}");
        }
    }

    #[test]
    fn with_a_response_the_response_is_judged() {
        let line = Line::parse(r#"{"text": "question", "response": "answer"}"#).unwrap().unwrap();
        let trials = line.trials();
        assert_eq!(trials.len(), 1);
        let last = trials[0].turns.last().unwrap();
        assert_eq!((last.role, last.text), (Role::Assistant, "answer"));
    }

    #[test]
    fn with_messages_the_last_question_and_the_tool_results_are_judged() {
        let line = Line::parse(
            r#"{"text": "ignored", "messages": [{"role": "developer", "content": "d"}, {"role": "user", "content": "q"},
            {"role": "assistant", "content": null}, {"role": "tool", "content": [{"type": "text", "text": "page"}]}]}"#,
        );
        let line = line.unwrap().unwrap();
        let texts: Vec<&str> = line.trials().iter().map(|trial| trial.turns.last().unwrap().text).collect();
        assert_eq!(texts, ["q", "page"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let mut input = BufReader::new(io::repeat(b'x').take(LONGEST_LINE + 5).chain(&b"\nnext\n"[..]));
        assert!(next_line(&mut input).unwrap().unwrap().is_err());
        assert_eq!(next_line(&mut input).unwrap().unwrap().unwrap().trim(), "next");
        assert!(next_line(&mut input).unwrap().is_none());
    }
}
