//! Cases about requests, made from the documents: every dialect, field and mode that a set names.

mod heads;
mod json;

use std::{collections::HashMap, sync::atomic::AtomicU32, sync::atomic::Ordering};

use serde_json::{Value, json};

use super::{
    answers,
    case::{Case, Sent, Want},
    data::{self, fields, flags, list, word, words},
    fill::{Words, fill, fill_all, mentions},
    raw,
    speak::Says,
    talk,
};

/// What cases are made from.
pub struct Plan {
    /// The formats, by name.
    pub dialects: HashMap<String, Value>,
    /// Who asks whom.
    pub routes: Vec<Value>,
    /// What is forbidden, and its twins.
    pub payloads: Value,
    /// A URL that nobody must fetch.
    pub canary: String,
    next: AtomicU32,
}

impl Plan {
    /// The suite's documents; `only` these dialects.
    pub fn read(canary: &str, only: Option<&[String]>) -> Self {
        let wanted = |name: &str| only.is_none_or(|only| only.iter().any(|known| known == name));
        let dialects =
            data::read_all("dialects").into_iter().map(|dialect| (word(&dialect, "dialect").to_owned(), dialect));
        let dialects: HashMap<String, Value> = dialects.filter(|(name, _)| wanted(name)).collect();
        let routes = data::read("routes.yaml").as_array().unwrap().clone();
        let routes = routes.into_iter().filter(|route| wanted(word(route, "client"))).collect();
        Self {
            dialects,
            routes,
            payloads: data::read("payloads.yaml"),
            canary: canary.to_owned(),
            next: AtomicU32::new(1),
        }
    }

    /// Every case.
    pub fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for class in data::read_all("classes") {
            let letter = word(&class, "class").chars().next().unwrap();
            for set in list(&class, "sets") {
                self.cases_of(letter, set, &mut cases);
            }
        }
        cases
    }

    fn cases_of(&self, class: char, set: &Value, cases: &mut Vec<Case>) {
        match word(set, "kind") {
            "text" => self.texts(class, set, cases),
            "split" => self.splits(class, set, cases),
            "turns" => self.turns(class, set, cases),
            "tokens" => self.tokens(class, set, cases),
            "shape" => self.shapes(class, set, cases),
            "doubled" => self.doubled(class, set, cases),
            "json" => self.json(class, set, cases),
            "head" => self.heads(class, set, cases),
            "path" | "method" => self.paths(class, set, cases),
            "answer" => answers::cases(self, class, set, cases),
            "raw" => raw::cases(self, class, set, cases),
            // What is not about requests is tried by the runner itself.
            "start" | "hash" => {}
            other => panic!("there is no kind `{other}` of sets"),
        }
    }

    /// The dialects a set is about, in a fixed order.
    pub fn dialects_of(&self, set: &Value) -> Vec<&Value> {
        let mut names: Vec<&String> = self.dialects.keys().collect();
        names.sort();
        let wanted = |name: &str| match &set["dialects"] {
            Value::Array(list) => list.iter().any(|known| known == name),
            Value::String(family) => {
                name.starts_with(family.as_str()) || (family == "openai" && name.starts_with("anthropic"))
            }
            _ => true,
        };
        names.into_iter().filter(|name| wanted(name)).map(|name| &self.dialects[name]).collect()
    }

    /// The proxy that a dialect is native at.
    pub fn house_of(&self, dialect: &Value) -> String {
        let name = word(dialect, "dialect");
        let route = self.routes.iter().find(|route| word(route, "client") == name);
        route.map_or("openai", |route| word(route, "house")).to_owned()
    }

    /// What stands for the placeholders, in an attack or in its twin.
    pub fn words(&self, payload: &str, attack: bool) -> Words {
        let payload = &self.payloads[payload];
        let text = word(payload, if attack { "forbidden" } else { "benign" }).to_owned();
        let line = format!("os.system(\"ping \" + {text})");
        let code = format!("import os\nfrom flask import request\n{line}\n");
        [("payload", text), ("line", line), ("code", code), ("canary-url", self.canary.clone())]
            .map(|(name, text)| (name.to_owned(), text))
            .into()
    }

    /// A number for a case.
    pub fn number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A body in a dialect: its request with `set` over it.
    pub fn body(&self, dialect: &Value, set: &Value, words: &Words, stream: Option<bool>) -> Value {
        let mut body = json!({"model": format!("{}-{}", word(dialect, "model"), self.number())});
        for (name, value) in fields(&dialect["request"]).chain(fields(&fill_all(set, words))) {
            body[name.as_str()] = value.clone();
        }
        let has_mode = list(dialect, "streams").len() > 1 && set["stream"].is_null();
        if let Some(stream) = stream.filter(|_| has_mode) {
            body["stream"] = json!(stream);
        }
        body
    }

    /// The usual headers of a dialect.
    pub fn headers(&self, dialect: &Value) -> Vec<(String, String)> {
        let own = fields(&dialect["headers"]).map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
        own.chain([("content-type".to_owned(), "application/json".to_owned())]).collect()
    }

    /// A request of a dialect with the usual head.
    pub fn sent(&self, dialect: &Value, body: &[u8], want: Want, never: &[String]) -> Sent {
        let bytes = talk::post(word(dialect, "path"), &self.headers(dialect), body);
        Sent { bytes, says: Says::default(), want, never: never.to_vec() }
    }

    /// The words of a slot: `{text}` is the text itself, `{json}` an object with it.
    fn slot_words(&self, payload: &str, attack: bool, text: &str) -> Words {
        let mut words = self.words(payload, attack);
        let text = fill(text, &words);
        let quoted = text.replace('"', "\\\"").replace('\n', "\\n");
        words.insert("json".to_owned(), format!("{{\"place\": \"{quoted}\"}}"));
        words.insert("text".to_owned(), text);
        words
    }

    fn forwarded(dialect: &Value, slot: &str, text: &str) -> Want {
        let same = dialect["native"] != false || matches!(slot, "user" | "part" | "item" | "system");
        Want::Forwarded(if same { vec![text.to_owned()] } else { Vec::new() })
    }

    fn texts(&self, class: char, set: &Value, cases: &mut Vec<Case>) {
        let payload = word(set, "payload");
        let finding = word(&self.payloads[payload], "finding");
        for dialect in self.dialects_of(set) {
            let slots = words(set, "slots", &[]);
            let wanted = |slot: &&Value| set["slots"] == "all" || slots.iter().any(|known| known == word(slot, "name"));
            for slot in list(dialect, "slots").iter().filter(wanted) {
                for stream in flags(set, "streams", &flags(dialect, "streams", &[false])) {
                    for (name, text) in fields(&set["texts"]) {
                        let text = text.as_str().unwrap();
                        let plain = set["twin-text"].as_str().unwrap_or(text);
                        let body = |attack: bool| {
                            let words = self.slot_words(payload, attack, if attack { text } else { plain });
                            let body = self.body(dialect, &slot["set"], &words, Some(stream)).to_string();
                            if set["escaped"] == true { escaped(&body, &words["payload"]) } else { body }
                        };
                        let never = marks(text, &self.words(payload, true));
                        let kept = marks(plain, &self.words(payload, false)).concat();
                        let attack = self.sent(dialect, body(true).as_bytes(), Want::Refused, &never);
                        let passes = Self::forwarded(dialect, word(slot, "name"), &kept);
                        let twin = self.sent(dialect, body(false).as_bytes(), passes, &[]);
                        let house = set["house"].as_str().map_or_else(|| self.house_of(dialect), str::to_owned);
                        let audit = json!({"event": "decision", "stage": "input", "decision": "block",
                            "dialect": word(dialect, "dialect"), "field": word(slot, "field"), "reasons": [{"finding": finding}]});
                        let id = [word(dialect, "dialect"), word(slot, "name"), mode(stream), name].join("/");
                        cases.push(self.case(
                            class,
                            set,
                            &id,
                            dialect,
                            &house,
                            attack,
                            Some(twin),
                            Some(audit),
                            set["house"].is_null(),
                        ));
                    }
                }
            }
        }
    }

    fn splits(&self, class: char, set: &Value, cases: &mut Vec<Case>) {
        let payload = word(set, "payload");
        for (name, split) in fields(&set["splits"]) {
            for dialect in self.dialects_of(split) {
                let body = |attack: bool| {
                    let words = self.parts(payload, attack);
                    self.body(dialect, &split["set"], &words, Some(false)).to_string()
                };
                let parts = self.parts(payload, true);
                let count = if split["set"].to_string().contains("/3}") { 3 } else { 2 };
                let never: Vec<String> =
                    (1..=count).map(|part| parts[&format!("{part}/{count}")].trim().to_owned()).collect();
                let attack = self.sent(dialect, body(true).as_bytes(), Want::Refused, &never);
                let twin = self.sent(dialect, body(false).as_bytes(), Want::Forwarded(Vec::new()), &[]);
                let audit = json!({"event": "decision", "stage": "input", "decision": "block"});
                let id = [word(dialect, "dialect"), name].join("/");
                cases.push(self.case(
                    class,
                    set,
                    &id,
                    dialect,
                    &self.house_of(dialect),
                    attack,
                    Some(twin),
                    Some(audit),
                    true,
                ));
            }
        }
    }

    /// A payload cut in two and in three.
    fn parts(&self, payload: &str, attack: bool) -> Words {
        let text = self.words(payload, attack)["payload"].clone();
        let mut words = Words::new();
        for count in [2, 3] {
            let size = text.len().div_ceil(count);
            for (part, number) in text.as_bytes().chunks(size).zip(1..) {
                words.insert(format!("{number}/{count}"), String::from_utf8_lossy(part).into_owned());
            }
        }
        words
    }

    fn turns(&self, class: char, set: &Value, cases: &mut Vec<Case>) {
        let (payload, count) = (word(set, "payload"), set["turns"].as_u64().unwrap());
        for dialect in self.dialects_of(set) {
            for at in data::numbers(set, "at") {
                let body = |attack: bool| {
                    let text = fill(word(set, "text"), &self.words(payload, attack));
                    let turns: Vec<Value> = (0..count)
                        .map(|number| {
                            let said = if number == at as u64 {
                                text.clone()
                            } else {
                                format!("Turn {number}, and all is well.")
                            };
                            json!({"role": if number % 2 == 0 { "user" } else { "assistant" }, "content": said})
                        })
                        .collect();
                    self.body(dialect, &json!({ "messages": turns }), &Words::new(), Some(false)).to_string()
                };
                let (forbidden, benign) = (self.words(payload, true), self.words(payload, false));
                let attack = self.sent(dialect, body(true).as_bytes(), Want::Refused, &[forbidden["payload"].clone()]);
                let twin =
                    self.sent(dialect, body(false).as_bytes(), Want::Forwarded(vec![benign["payload"].clone()]), &[]);
                let audit = json!({"stage": "input", "decision": "block", "field": format!("messages[{at}].content")});
                let id = format!("{}/{at}", word(dialect, "dialect"));
                cases.push(self.case(
                    class,
                    set,
                    &id,
                    dialect,
                    &self.house_of(dialect),
                    attack,
                    Some(twin),
                    Some(audit),
                    true,
                ));
            }
        }
    }

    fn tokens(&self, class: char, set: &Value, cases: &mut Vec<Case>) {
        for dialect in self.dialects_of(set) {
            for slot in list(dialect, "slots").iter().filter(|slot| word(slot, "name") == "user") {
                for token in words(set, "tokens", &[]) {
                    let body = |token: &str| {
                        let text = fill(word(set, "text"), &Words::from([("token".to_owned(), token.to_owned())]));
                        let words = Words::from([("text".to_owned(), text)]);
                        self.body(dialect, &slot["set"], &words, Some(false)).to_string()
                    };
                    let mut inner = token.chars();
                    inner.next();
                    inner.next_back();
                    let attack =
                        self.sent(dialect, body(&token).as_bytes(), Want::Refused, std::slice::from_ref(&token));
                    let twin = self.sent(
                        dialect,
                        body(inner.as_str()).as_bytes(),
                        Want::Forwarded(vec![inner.as_str().to_owned()]),
                        &[],
                    );
                    let audit = json!({"stage": "input", "decision": "block", "reasons": [{"finding": "injection"}]});
                    let id = [word(dialect, "dialect"), &token].join("/");
                    cases.push(self.case(
                        class,
                        set,
                        &id,
                        dialect,
                        &self.house_of(dialect),
                        attack,
                        Some(twin),
                        Some(audit),
                        true,
                    ));
                }
            }
        }
    }

    fn shapes(&self, class: char, set: &Value, cases: &mut Vec<Case>) {
        let payload = set["payload"].as_str().unwrap_or("key");
        for dialect in self.dialects_of(set) {
            for shape in list(dialect, word(set, "list")) {
                let words = self.slot_words(payload, true, word(set, "text"));
                let body = self.body(dialect, &shape["set"], &words, Some(false)).to_string();
                let hidden = mentions(&shape["set"], "text");
                let never = if hidden { vec![words["payload"].clone()] } else { Vec::new() };
                let want = match (&set["expect"], word(set, "expect")) {
                    (_, "dropped") => Want::Dropped(fields(&shape["set"]).map(|(name, _)| name.clone()).collect()),
                    (Value::Array(statuses), _) => Want::Statuses(statuses.iter().filter_map(Value::as_u64).collect()),
                    _ => Want::Refused,
                };
                let attack = self.sent(dialect, body.as_bytes(), want, &never);
                let plain = self.body(dialect, &json!({}), &words, Some(false)).to_string();
                let twin = self.sent(dialect, plain.as_bytes(), Want::Forwarded(Vec::new()), &[]);
                let audit = Some(set["audit"].clone()).filter(Value::is_object);
                let id = [word(dialect, "dialect"), word(shape, "name")].join("/");
                let others = hidden || mentions(&shape["set"], "canary-url");
                cases.push(self.case(
                    class,
                    set,
                    &id,
                    dialect,
                    &self.house_of(dialect),
                    attack,
                    Some(twin),
                    audit,
                    others,
                ));
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a case has as many fields")]
    pub(super) fn case(
        &self,
        class: char,
        set: &Value,
        id: &str,
        dialect: &Value,
        house: &str,
        attack: Sent,
        twin: Option<Sent>,
        audit: Option<Value>,
        others: bool,
    ) -> Case {
        let id = format!("{class}/{}/{id}", word(set, "name"));
        let (house, dialect) = (house.to_owned(), word(dialect, "dialect").to_owned());
        Case { id, class, house, dialect, attack, twin, audit, others }
    }
}

/// What a text says of its payload, with all disguises on it.
pub fn marks(text: &str, words: &Words) -> Vec<String> {
    let holder = ["{payload", "{code", "{line"].iter().find_map(|start| {
        let at = text.find(start)?;
        Some(&text[at..=at + text[at..].find('}')?])
    });
    holder.map(|holder| vec![fill(holder, words)]).unwrap_or_default()
}

/// The word for a mode.
pub fn mode(stream: bool) -> &'static str {
    if stream { "streamed" } else { "whole" }
}

/// A JSON text in which every character of `part` is an escape.
fn escaped(body: &str, part: &str) -> String {
    body.replace(part, &part.chars().map(|c| format!("\\u{:04x}", c as u32)).collect::<String>())
}
