//! `--jsonl`: one piece of code a line in, one line of findings out, in order.

use std::io::{BufRead, Read, Write};

use code_shield::Language;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Outcome;
use super::finding::{Finding, Scanner};

#[derive(Deserialize)]
struct Question {
    #[serde(default)]
    id: Value,
    code: String,
    #[serde(default)]
    language: Option<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a Value,
    language: Option<&'static str>,
    findings: Vec<Finding>,
}

/// Answers every line; one that cannot be read is named in `warn` and has no answer, and the others keep theirs.
pub(super) fn run(
    name: &str,
    input: &mut dyn BufRead,
    language: Option<Language>,
    scanner: &Scanner,
    out: &mut dyn Write,
    warn: &mut dyn FnMut(String),
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut bytes = Vec::new();
    for number in 1_usize.. {
        bytes.clear();
        let read = (&mut *input).take(MAX_LINE).read_until(b'\n', &mut bytes);
        let long = bytes.len() as u64 == MAX_LINE && bytes.last() != Some(&b'\n');
        let skipped = if long { input.skip_until(b'\n') } else { Ok(0) };
        if let Err(error) = read.and(skipped) {
            warn(format!("{name}:{number}: cannot be read: {error}"));
            outcome.failed = true;
            return Ok(outcome);
        }
        if bytes.is_empty() {
            return Ok(outcome);
        }
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        if long {
            warn(format!("{name}:{number}: the line is longer than {} MiB", MAX_LINE >> 20));
            outcome.failed = true;
            continue;
        }
        match serde_json::from_slice::<Question>(&bytes) {
            Ok(question) => {
                let tag = question.language.as_deref().unwrap_or_default();
                let (language, findings) = scanner.code(&question.code, language, tag);
                outcome.found |= !findings.is_empty();
                let answer = Answer { id: &question.id, language: language.map(Language::name), findings };
                serde_json::to_writer(&mut *out, &answer)?;
                out.write_all(b"\n")?;
            }
            Err(error) => {
                warn(format!("{name}:{number}: not a line of `{{\"id\",\"code\",\"language\"?}}`: {error}"));
                outcome.failed = true;
            }
        }
    }
    Ok(outcome)
}

/// Bytes of one line.
const MAX_LINE: u64 = 32 << 20;
