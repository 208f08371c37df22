//! Cases about what stands before a body: headers, encodings, paths and methods.

use serde_json::{Value, json};

use super::Plan;
use crate::bypass::{
    bodies,
    case::{Case, Sent, Want},
    data::{fields, list, word, words},
    speak::Says,
    talk,
};

impl Plan {
    pub(super) fn heads(&self, class: char, set: &Value, cases: &mut Vec<Case>) {
        let payload = word(set, "payload");
        for (name, head) in fields(&set["heads"]) {
            for dialect in self.dialects_of(head) {
                let body = |attack: bool| {
                    let slot = list(dialect, "slots").iter().find(|slot| word(slot, "name") == "user").unwrap();
                    let words = self.slot_words(payload, attack, word(set, "text"));
                    self.body(dialect, &slot["set"], &words, Some(false)).to_string()
                };
                let send = |body: String| {
                    let mut headers = self.headers(dialect);
                    headers.retain(|(name, _)| !list(head, "remove").iter().any(|gone| gone == name.as_str()));
                    headers.retain(|(name, _)| head["set"].get(name).is_none());
                    let more = fields(&head["set"]).chain(fields(&head["add"]));
                    headers.extend(more.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())));
                    let body = match word(head, "encode") {
                        "gzip" => bodies::gzip(body.as_bytes()),
                        "gzip-twice" => bodies::gzip(&bodies::gzip(body.as_bytes())),
                        "bomb" => {
                            body.split_once("My key").map(|(before, after)| bodies::bomb(before, 8_192, after)).unwrap()
                        }
                        _ => body.into_bytes(),
                    };
                    match word(head, "encode") {
                        "gzip" | "bomb" => headers.push(("content-encoding".to_owned(), "gzip".to_owned())),
                        "gzip-twice" => headers.push(("content-encoding".to_owned(), "gzip, gzip".to_owned())),
                        _ => {}
                    }
                    talk::post(&format!("{}{}", word(dialect, "path"), word(head, "query")), &headers, &body)
                };
                let refused = head["expect"] == "refused";
                let statuses = list(head, "expect").iter().filter_map(Value::as_u64).collect();
                let want = if refused { Want::Refused } else { Want::Statuses(statuses) };
                let never = vec![self.words(payload, true)["payload"].clone()];
                let attack = Sent { bytes: send(body(true)), says: Says::default(), want, never };
                let plain = body(false);
                let mut twin = self.sent(dialect, plain.as_bytes(), Want::Forwarded(Vec::new()), &[]);
                if refused {
                    twin.bytes = send(plain);
                }
                let audit = if head["query"].is_string() { None } else { Some(json!({})) };
                let id = [word(dialect, "dialect"), name].join("/");
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

    pub(super) fn paths(&self, class: char, set: &Value, cases: &mut Vec<Case>) {
        let payload = word(set, "payload");
        let statuses: Vec<u64> = list(set, "expect").iter().filter_map(Value::as_u64).collect();
        for dialect in self.dialects_of(set) {
            let methods = word(set, "kind") == "method";
            if !methods && word(dialect, "dialect") != "openai-chat" && word(dialect, "dialect") != "ollama-chat" {
                continue;
            }
            let ollama = word(dialect, "dialect") == "ollama-chat";
            let named = |name: &str| words(set, name, &[]).into_iter();
            let wanted: Vec<String> =
                named("paths").filter(|path| path.to_ascii_lowercase().starts_with("/api") == ollama).collect();
            let varied: Vec<String> = if methods { named("methods").collect() } else { wanted };
            for name in varied {
                let slot = list(dialect, "slots").iter().find(|slot| word(slot, "name") == "user").unwrap();
                let body = |attack: bool| {
                    let words = self.slot_words(payload, attack, word(set, "text"));
                    self.body(dialect, &slot["set"], &words, Some(false)).to_string()
                };
                let (method, path) =
                    if methods { (name.as_str(), word(dialect, "path")) } else { ("POST", name.as_str()) };
                let bytes = talk::request(method, path, &self.headers(dialect), body(true).as_bytes());
                let never = vec![self.words(payload, true)["payload"].clone()];
                let attack = Sent { bytes, says: Says::default(), want: Want::Statuses(statuses.clone()), never };
                let twin = self.sent(dialect, body(false).as_bytes(), Want::Forwarded(Vec::new()), &[]);
                let id = [word(dialect, "dialect"), &name].join("/");
                cases.push(self.case(
                    class,
                    set,
                    &id,
                    dialect,
                    &self.house_of(dialect),
                    attack,
                    Some(twin),
                    Some(json!({})),
                    true,
                ));
            }
        }
    }
}
