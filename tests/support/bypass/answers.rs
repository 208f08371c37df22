//! Cases about answers: every route, field, mode, chunking and framing that a set names.

use serde_json::{Value, json};

use super::{
    case::{Case, Sent, Want},
    data::{flags, numbers, word, words},
    fill::{Words, fill},
    plan::{Plan, marks, mode},
    speak::{Lane, Says},
};

/// Adds the cases of a set.
pub fn cases(plan: &Plan, class: char, set: &Value, cases: &mut Vec<Case>) {
    let texts: Vec<(String, String)> = match set["texts"].as_object() {
        Some(texts) => texts.iter().map(|(name, text)| (name.clone(), text.as_str().unwrap().to_owned())).collect(),
        None => vec![(String::new(), word(set, "text").to_owned())],
    };
    for (number, route) in plan.routes.iter().enumerate().filter(|(number, route)| wanted(set, *number, route)) {
        let known = words(route, "lanes", &[]);
        let lanes = if set["lanes"] == "all" { known.clone() } else { words(set, "lanes", &[]) };
        let first = plan.routes.iter().position(|other| other["client"] == route["client"]) == Some(number);
        for lane in lanes.iter().filter(|lane| known.contains(lane)) {
            if set["choice"].is_number() && route["choices"] != true {
                continue;
            }
            for stream in flags(set, "streams", &[false, true]) {
                for framing in words(set, "framings", &[""]) {
                    for tcp in numbers_or(set, "tcp", 0) {
                        for (name, text) in &texts {
                            for cut in chunkings(set) {
                                let variant =
                                    Variant { route, lane, stream, framing: &framing, tcp, cut, text, name, first };
                                cases.extend(variant.case(plan, class, set));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whether a set is about a route: `first` of them all, a few that show `code`, or every one.
fn wanted(set: &Value, number: usize, route: &Value) -> bool {
    let client = word(route, "client");
    // A house of the set's own has the first kind of upstream.
    if set["house"].is_string() && route["house"] != "openai" {
        return false;
    }
    match word(set, "routes") {
        "first" => number == 0,
        "code" => route["translated"] != true && matches!(client, "openai-chat" | "anthropic-messages" | "ollama-chat"),
        _ => true,
    }
}

fn numbers_or(set: &Value, name: &str, otherwise: usize) -> Vec<usize> {
    let found = numbers(set, name);
    if found.is_empty() { vec![otherwise] } else { found }
}

/// How a text comes in pieces.
#[derive(Clone, Copy)]
enum Chunking {
    /// So many characters each; 0 for all.
    Size(usize),
    /// In two, after so many characters of the payload.
    Cut(usize),
}

fn chunkings(set: &Value) -> Vec<Chunking> {
    let sizes = numbers(set, "pieces").into_iter().map(Chunking::Size);
    sizes.chain(numbers(set, "cuts").into_iter().map(Chunking::Cut)).collect()
}

struct Variant<'a> {
    route: &'a Value,
    lane: &'a str,
    stream: bool,
    framing: &'a str,
    tcp: usize,
    cut: Chunking,
    text: &'a str,
    name: &'a str,
    /// Whether it is the client's first route, on which other proxies are asked too.
    first: bool,
}

impl Variant<'_> {
    fn case(&self, plan: &Plan, class: char, set: &Value) -> Option<Case> {
        let dialect = plan.dialects.get(word(self.route, "client"))?;
        let payload = word(set, "payload");
        let wire = word(self.route, "house");
        // Framings of event streams are none of lines, and the other way round.
        let lines = wire == "ollama" || word(dialect, "dialect").starts_with("ollama");
        let events_only = ["cr", "comments", "multiline", "named", "bom", "no-done", "after-done", "error-in-stream"];
        if lines && events_only.contains(&self.framing) {
            return None;
        }
        // An end mark of its own is OpenAI's alone; Anthropic's stream without its last event is one that was cut.
        let marked = wire == "openai" || wire == "shipped";
        if !marked && matches!(self.framing, "no-done" | "after-done") {
            return None;
        }
        if !self.stream && self.framing == "error-in-stream" {
            return None;
        }
        // Half a megabyte in small packets would be a test of the machine.
        if self.framing == "huge-line" && self.tcp != 0 {
            return None;
        }
        let beside = self.is_beside();
        let refusing = self.framing.starts_with("error");
        let forbidden = vec![plan.words(payload, true)["payload"].clone()];
        let forbidden =
            if self.text.contains("{payload|rest}") { marks(self.text, &plan.words(payload, true)) } else { forbidden };
        let benign = plan.words(payload, false)["payload"].clone();
        let benign = if self.text.contains("{payload|rest}") {
            marks(self.text, &plan.words(payload, false)).concat()
        } else {
            benign
        };
        let shown = if set["lane"] == "name" { benign.clone() } else { benign };
        let want = match word(set, "expect") {
            "clean" => Want::Clean,
            "broken" => Want::Broken,
            "redacted" => Want::Redacted,
            _ => Want::Withheld,
        };
        let passes = if beside {
            Want::Answered("All is well here.".to_owned())
        } else if refusing {
            Want::Failed(shown)
        } else if self.text.contains("{payload|") || class == 'F' {
            Want::Answered(String::new())
        } else {
            Want::Answered(shown)
        };
        let attack = self.sent(plan, set, dialect, true, want, &forbidden);
        let twin = self.sent(plan, set, dialect, false, passes, &[]);
        let audit = match &set["audit"] {
            Value::Object(_) => Some(set["audit"].clone()),
            _ if beside || refusing => None,
            _ => Some(json!({"stage": "output", "decision": "block", "choice": set["choice"].as_u64().unwrap_or(0),
                "reasons": [{"finding": word(&plan.payloads[payload], "finding")}]})),
        };
        let cut = match self.cut {
            Chunking::Size(size) => size.to_string(),
            Chunking::Cut(at) => format!("at-{at}"),
        };
        let house = set["house"].as_str().unwrap_or(wire);
        // Others are asked once for each client, and only about strings that they were told to forbid.
        let others = self.first && class != 'F' && set["house"].is_null() && set["forbidden"].is_null();
        let id = [
            word(dialect, "dialect"),
            "over",
            house,
            self.lane,
            mode(self.stream),
            self.framing,
            &cut,
            &self.tcp.to_string(),
            self.name,
        ];
        let id: Vec<&str> = id.into_iter().filter(|word| !word.is_empty()).collect();
        Some(plan.case(class, set, &id.join("/"), dialect, house, attack, Some(twin), audit, others))
    }

    /// Whether the payload stands beside the answer instead of in it.
    fn is_beside(&self) -> bool {
        matches!(self.framing, "logprobs" | "extra-fields" | "headers")
    }

    fn sent(&self, plan: &Plan, set: &Value, dialect: &Value, attack: bool, want: Want, never: &[String]) -> Sent {
        let words = plan.words(word(set, "payload"), attack);
        let lane = Lane::named(self.lane);
        let text = fill(self.text, &words);
        let text = match lane {
            Lane::Arguments | Lane::Function => json!({ "place": text }).to_string(),
            // A tool's name is one word.
            Lane::Name => words["payload"].clone(),
            _ => text,
        };
        let pieces = self.pieces(&text, &words);
        let harmless: Vec<String> = "All is well on this side, and nothing more is to be said. "
            .split_inclusive(' ')
            .map(str::to_owned)
            .collect();
        let answers = match set["choice"].as_u64() {
            None => vec![(Some(lane), pieces)],
            Some(0) => vec![(Some(lane), pieces), (Some(Lane::Content), harmless)],
            Some(_) => vec![(Some(Lane::Content), harmless), (Some(lane), pieces)],
        };
        let more = if set["choice"].is_number() { json!({"n": 2}) } else { json!({}) };
        let body = plan.body(dialect, &more, &Words::new(), Some(self.stream)).to_string();
        let plain = !attack && set["twin"] == "plain";
        let framing = if plain { "" } else { self.framing };
        let beside =
            if self.is_beside() || self.framing == "after-done" { words["payload"].clone() } else { String::new() };
        let says = Says { answers, framing: framing.to_owned(), beside, tcp: self.tcp };
        Sent { says, ..plan.sent(dialect, body.as_bytes(), want, never) }
    }

    fn pieces(&self, text: &str, words: &Words) -> Vec<String> {
        let characters: Vec<char> = text.chars().collect();
        match self.cut {
            Chunking::Size(0) => vec![text.to_owned()],
            Chunking::Size(size) => characters.chunks(size).map(|piece| piece.iter().collect()).collect(),
            Chunking::Cut(at) => {
                let from = text.find(&words["payload"]).unwrap_or(0);
                let (before, after) = text.split_at((from + at).min(text.len()));
                [before, after].into_iter().filter(|piece| !piece.is_empty()).map(str::to_owned).collect()
            }
        }
    }
}
