//! A generator of scripted answers: what it does depends on a word in what the user said last, and on nothing else.
//!
//! `weather` makes it call the first tool it was given, and a tool's result is repeated; `your tool` makes it call that
//! tool with weak code, `script` makes it write some; `overloaded` makes it fail with status 503; `hang up` makes it
//! break off in the middle. If it is held to a schema with a `city`, it names one. All else is answered with two
//! sentences. It speaks one family's formats and has no other paths, so that what reaches it is translated.

mod anthropic;
mod ollama;
mod openai;

use serde_json::{Value, json};

use crate::upstream::{Script, ScriptedUpstream};

/// Whose formats it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// OpenAI's chat completions, completions and embeddings.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// Ollama's chat, generate and embed.
    Ollama,
}

/// Starts one; it lives as long as the test's process.
pub fn generator(speaks: Speaks) -> ScriptedUpstream {
    let answer = match speaks {
        Speaks::OpenAi => openai::answer,
        Speaks::Anthropic => anthropic::answer,
        Speaks::Ollama => ollama::answer,
    };
    ScriptedUpstream::choosing(move |line, body| {
        let path = line.split(' ').nth(1).unwrap_or_default();
        answer(path, &serde_json::from_str(body).unwrap_or_default())
    })
}

const PLAIN: &str = "The harbour opens at six. It closes at ten.";
const BEGUN: &str = "The harbour opens at six. It clo";
const WEAK: &str = "Here is what you asked for. It pings a host.\n```python\nimport os\nfrom flask import request\n\
    os.system(\"ping \" + request.args[\"host\"])\n```\nThat is all.";
const CITY: [&str; 2] = ["{\"city\"", ": \"Kiel\"}"];
const WEAK_CITY: [&str; 2] = [
    "{\"city\": \"import os\\nfrom flask import request\\nhost = request",
    ".args[\\\"host\\\"]\\nos.system(\\\"ping \\\" + host)\\n\"}",
];
/// The id of its only call.
const CALL: &str = "call_7";
const PROMPT_TOKENS: u64 = 11;
const COMPLETION_TOKENS: u64 = 7;

/// What it does.
enum Act {
    /// It says something, piece by piece.
    Says(Vec<String>),
    /// It calls the tool of this name with these arguments, which come in two pieces.
    Calls(String, [&'static str; 2]),
    /// It says something and is gone.
    Breaks(Vec<String>),
    /// It has no time.
    Fails,
}

fn says(text: &str) -> Act {
    Act::Says(pieces(text))
}

fn pieces(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

/// What a prompt makes it do; `tool` is the name of the first tool it may call, `schema` is what it is held to.
fn act(prompt: &str, tool: Option<&str>, schema: &Value) -> Act {
    match tool {
        _ if prompt.contains("overloaded") => Act::Fails,
        _ if prompt.contains("hang up") => Act::Breaks(pieces(BEGUN)),
        _ if prompt.contains("script") => says(WEAK),
        _ if schema["properties"]["city"].is_object() => says(&CITY.concat()),
        Some(tool) if prompt.contains("weather") => Act::Calls(tool.to_owned(), CITY),
        Some(tool) if prompt.contains("your tool") => Act::Calls(tool.to_owned(), WEAK_CITY),
        _ => says(PLAIN),
    }
}

/// What a tool's result makes it do; a result that belongs to no call of the chat is not repeated.
fn act_on_result(result: &str, belongs: bool) -> Act {
    says(&if belongs { format!("The tool says: {result}.") } else { "That is the result of no call.".to_owned() })
}

/// The text in a message's content: a string, or blocks.
fn text(content: &Value) -> String {
    match content {
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
        content => content.as_str().unwrap_or_default().to_owned(),
    }
}

/// Every item of a list.
fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// Answers in one document.
fn whole(document: &Value) -> Script {
    Script { status: 200, kind: "application/json".to_owned(), body: document.to_string(), ..Script::default() }
}

/// Answers in one document of which only the first half arrives.
fn halved(document: &Value) -> Script {
    let mut script = whole(document);
    script.body.truncate(script.body.len() / 2);
    Script { cut: true, ..script }
}

/// Answers in many documents that are packed as they come, in pieces that respect no border.
fn streamed(kind: &str, documents: &[String], cut: bool) -> Script {
    Script { status: 200, kind: kind.to_owned(), body: documents.concat(), piece: 40, cut, ..Script::default() }
}

fn failed(status: u16, document: &Value) -> Script {
    Script { status, ..whole(document) }
}

fn unknown() -> Script {
    failed(404, &json!({"error": "no such path"}))
}
