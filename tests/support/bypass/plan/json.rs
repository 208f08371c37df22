//! Cases about JSON: keys given twice, and texts that parsers disagree on.

use serde_json::{Value, json};

use super::Plan;
use crate::bypass::{
    bodies,
    case::{Case, Want},
    data::{self, list, word, words},
    fill::Words,
};

impl Plan {
    pub(super) fn doubled(&self, class: char, set: &Value, cases: &mut Vec<Case>) {
        let payload = word(set, "payload");
        let slots = words(set, "slots", &[]);
        for dialect in self.dialects_of(set) {
            for slot in
                list(dialect, "slots").iter().filter(|slot| slots.iter().any(|known| known == word(slot, "name")))
            {
                let body = |attack: bool| {
                    let words = self.slot_words(payload, attack, word(set, "text"));
                    self.body(dialect, &slot["set"], &words, Some(false))
                };
                let depth = bodies::levels(&with_model(body(false), "x"), &with_model(body(true), "x"));
                for level in 0..depth {
                    for form in words(set, "keys", &[]) {
                        for order in words(set, "orders", &[]) {
                            let model = format!("{}-{}", word(dialect, "model"), self.number());
                            let (benign, attack) = (with_model(body(false), &model), with_model(body(true), &model));
                            let Some(text) = bodies::doubled(&benign, &attack, level, order == "first", &form) else {
                                continue;
                            };
                            let never = [self.words(payload, true)["payload"].clone()];
                            let attack = self.sent(dialect, text.as_bytes(), Want::Statuses(vec![400]), &never);
                            let twin = self.sent(
                                dialect,
                                body(false).to_string().as_bytes(),
                                Want::Forwarded(Vec::new()),
                                &[],
                            );
                            let id = [word(dialect, "dialect"), word(slot, "name"), &form, &order, &level.to_string()]
                                .join("/");
                            let audit = Some(set["audit"].clone());
                            cases.push(self.case(
                                class,
                                set,
                                &id,
                                dialect,
                                &self.house_of(dialect),
                                attack,
                                Some(twin),
                                audit,
                                true,
                            ));
                        }
                    }
                }
            }
        }
    }

    pub(super) fn json(&self, class: char, set: &Value, cases: &mut Vec<Case>) {
        let document = data::read("json.yaml");
        for dialect in self.dialects_of(&json!({"dialects": ["openai-chat", "ollama-chat", "anthropic-messages"]})) {
            let filled = |text: &[u8]| {
                let body = self.body(dialect, &json!({"extra": "@"}), &Words::new(), Some(false)).to_string();
                let (before, after) = body.split_once("\"@\"").unwrap();
                [before.as_bytes(), text, after.as_bytes()].concat()
            };
            let plain = || self.body(dialect, &json!({}), &Words::new(), Some(false)).to_string();
            for group in list(&document, "groups") {
                for (number, text) in list(group, "texts").iter().enumerate() {
                    let text = text.as_str().unwrap();
                    let body = match word(group, "place") {
                        "document" => {
                            let (before, after) = text.split_once('@').unwrap_or((text, ""));
                            let plain = if text.contains('@') { plain() } else { String::new() };
                            [bodies::bytes_of(before), plain.into_bytes(), bodies::bytes_of(after)].concat()
                        }
                        "utf-16" => plain().encode_utf16().flat_map(u16::to_le_bytes).collect(),
                        _ => filled(&bodies::bytes_of(text)),
                    };
                    let keep = group["expect"] == "kept";
                    let want = if keep { Want::Forwarded(Vec::new()) } else { Want::Statuses(vec![400]) };
                    let audit = if keep { None } else { Some(json!({"event": "request-refused", "status": 400})) };
                    let attack = self.sent(dialect, &body, want, &[]);
                    let twin = self.sent(dialect, plain().as_bytes(), Want::Forwarded(Vec::new()), &[]);
                    let id = format!("{}/{}/{number}", word(dialect, "dialect"), word(group, "name"));
                    cases.push(self.case(
                        class,
                        set,
                        &id,
                        dialect,
                        &self.house_of(dialect),
                        attack,
                        Some(twin),
                        audit,
                        true,
                    ));
                }
            }
        }
    }
}

fn with_model(mut body: Value, model: &str) -> Value {
    body["model"] = json!(model);
    body
}
