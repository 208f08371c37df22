//! A template: how one model wants its question.

use super::file::{File, Order, Others};
use super::pieces::Piece;
use super::{Categories, Prompt, PromptError};
use std::borrow::Cow;

/// A message of a conversation that is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Who speaks, in a client's words: `user`, `assistant`, `system`, `tool`.
    pub role: &'a str,
    /// What is said.
    pub text: &'a str,
}

impl<'a> Message<'a> {
    /// A message.
    pub fn new(role: &'a str, text: &'a str) -> Self {
        Self { role, text }
    }
}

/// How a model wants its question.
#[derive(Debug, Clone)]
pub struct Template {
    file: File,
}

impl Template {
    /// The template of that name.
    ///
    /// # Errors
    /// [`PromptError::UnknownTemplate`].
    pub fn named(name: &str) -> Result<Self, PromptError> {
        let known = || Self::names().collect::<Vec<_>>().join(", ");
        let file = FILES.iter().find(|(known, _)| *known == name);
        let (name, text) =
            file.ok_or_else(|| PromptError::UnknownTemplate { name: name.to_owned(), known: known() })?;
        let file = serde_saphyr::from_str(text)
            .map_err(|error| PromptError::File { name: (*name).to_owned(), reason: error.to_string() })?;
        Ok(Self { file })
    }

    /// The names of all templates.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FILES.iter().map(|(name, _)| *name)
    }

    /// The template a guard in this process is asked with, told by the chat template its file has; none when that is of
    /// no guard known here.
    pub fn of_chat_template(source: &str) -> Option<&'static str> {
        let has = |words: &str| source.contains(words);
        match () {
            () if !has("<BEGIN UNSAFE CONTENT CATEGORIES>") => None,
            () if has("<|header_start|>") => Some("lg4_canonical"),
            () if has("<|start_header_id|>") && has("excluded_category_keys") => Some("lg3_1b_canonical"),
            () if has("<|start_header_id|>") => Some("lg3_8b_canonical"),
            () if has("[INST]") && has("S11: Sexual Content") => Some("lg2_canonical"),
            () => None,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.file.template
    }

    /// The model it is for, in words.
    pub fn model(&self) -> &str {
        &self.file.model
    }

    /// The shipped list of categories it was made for; the empty name for a chat, which has none.
    pub fn taxonomy(&self) -> &str {
        self.file.taxonomy.as_deref().unwrap_or_default()
    }

    /// Does it ask a guard for a verdict, and never take a message's text for tokens?
    pub fn asks_a_guard(&self) -> bool {
        self.file.taxonomy.is_some() && self.file.content == super::file::Content::Text
    }

    /// The prompt for a conversation whose last message is judged.
    ///
    /// # Errors
    /// [`PromptError::Empty`], [`PromptError::Order`] or [`PromptError::UnknownRole`] for conversations the template
    /// does not tell.
    pub fn render(&self, messages: &[Message<'_>], categories: &Categories) -> Result<Prompt, PromptError> {
        let Some((last, _)) = messages.split_last() else { return Err(PromptError::Empty) };
        let judged = match self.file.order {
            Order::Any => self.label(last.role, messages.len(), "")?,
            Order::Alternate => Cow::Borrowed(if messages.len().is_multiple_of(2) { "Agent" } else { "User" }),
        };
        let mut pieces = Vec::new();
        for slot in slots(&self.file.prompt) {
            match slot {
                Slot::Name("role") => pieces.push(Piece::Own(judged.clone().into_owned())),
                Slot::Name("categories") => self.tell_categories(categories, &mut pieces),
                Slot::Name("system") => self.tell_system(messages, &mut pieces),
                Slot::Name("turns") => self.tell_turns(messages, &judged, &mut pieces)?,
                other => pieces.push(other.piece("")),
            }
        }
        Ok(Prompt { pieces, content: self.file.content })
    }

    fn tell_categories(&self, categories: &Categories, pieces: &mut Vec<Piece>) {
        for category in &categories.categories {
            if let Some(text) = &category.text {
                pieces.push(Piece::Told(format!("{}: {text}\n", category.code)));
                continue;
            }
            let (form, description) = match &category.description {
                Some(description) => (&self.file.described, description.as_str()),
                None => (&self.file.category, ""),
            };
            for slot in form.iter().flat_map(|form| slots(form)) {
                pieces.push(match slot {
                    Slot::Name("code") => Piece::Told(category.code.clone()),
                    Slot::Name("name") => Piece::Told(category.name.clone()),
                    other => other.piece(description),
                });
            }
        }
    }

    fn tell_system(&self, messages: &[Message<'_>], pieces: &mut Vec<Piece>) {
        let text = messages.first().filter(|first| first.role == "system").map_or("", |first| first.text);
        let form = self.file.system.as_deref().unwrap_or_default();
        pieces.extend(slots(form).map(|slot| slot.piece(self.stripped(text))));
    }

    fn tell_turns(&self, messages: &[Message<'_>], judged: &str, pieces: &mut Vec<Piece>) -> Result<(), PromptError> {
        for (index, message) in messages.iter().enumerate() {
            if index == 0 && message.role == "system" && self.file.system.is_some() {
                continue;
            }
            let (number, role) = (index + 1, message.role);
            if self.file.order == Order::Alternate && (role == "user") != index.is_multiple_of(2) {
                return Err(PromptError::Order { number, role: role.to_owned() });
            }
            let quoted = self.file.quoted.get(role);
            let label = match quoted {
                Some(label) => Cow::Borrowed(label.as_str()),
                None => self.label(role, number, judged)?,
            };
            let text = match quoted {
                Some(_) => Cow::Owned(serde_json::Value::from(message.text).to_string()),
                None => Cow::Borrowed(self.stripped(message.text)),
            };
            for slot in slots(&self.file.turn) {
                pieces.push(match slot {
                    // A role may be the client's own word.
                    Slot::Name("role") => Piece::Told(label.clone().into_owned()),
                    other => other.piece(&text),
                });
            }
        }
        Ok(())
    }

    fn label<'a>(&'a self, role: &'a str, number: usize, judged: &'a str) -> Result<Cow<'a, str>, PromptError> {
        if let Some(label) = self.file.roles.get(role) {
            return Ok(Cow::Borrowed(label));
        }
        let known = || self.file.roles.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        match self.file.others {
            Others::Refused => Err(PromptError::UnknownRole { number, role: role.to_owned(), known: known() }),
            Others::Judged => Ok(Cow::Borrowed(judged)),
            Others::Verbatim => Ok(Cow::Borrowed(role)),
            Others::Capitalized => {
                let mut letters = role.chars();
                let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
                Ok(Cow::Owned(first + &letters.as_str().to_lowercase()))
            }
        }
    }

    fn stripped<'a>(&self, text: &'a str) -> &'a str {
        // Python's white space: ours, and the four separators of ASCII.
        let white = |letter: char| letter.is_whitespace() || matches!(letter, '\u{1c}'..='\u{1f}');
        if self.file.strip { text.trim_matches(white) } else { text }
    }
}

/// A part of a form.
enum Slot<'a> {
    Text(&'a str),
    Special(&'a str),
    Name(&'a str),
}

impl Slot<'_> {
    /// The part as it stands in a prompt, where `told` is what its `{text}` or `{description}` says.
    fn piece(&self, told: &str) -> Piece {
        match *self {
            Self::Text(text) => Piece::Own(text.to_owned()),
            Self::Special(name) => Piece::Special(name.to_owned()),
            Self::Name("cut") => Piece::Cut,
            Self::Name(_) => Piece::Told(told.to_owned()),
        }
    }
}

/// The parts of a form: `{name}` is a slot, `<|name|>` a special token.
fn slots(form: &str) -> impl Iterator<Item = Slot<'_>> {
    let mut rest = form;
    std::iter::from_fn(move || {
        let next = rest.match_indices(['{', '<']).map(|(at, _)| at).find(|at| {
            let tail = rest.get(*at..).unwrap_or_default();
            tail.starts_with('{') || tail.starts_with("<|")
        });
        let (part, after) = match next {
            Some(0) => {
                let close = if rest.starts_with('{') { "}" } else { "|>" };
                rest.split_at(rest.find(close).map_or(rest.len(), |at| at + close.len()))
            }
            at => rest.split_at(at.unwrap_or(rest.len())),
        };
        rest = after;
        match (part, next) {
            ("", _) => None,
            (part, Some(0)) => Some(match part.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => Slot::Name(name),
                None => Slot::Special(part),
            }),
            (part, _) => Some(Slot::Text(part)),
        }
    })
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../templates/", $name, ".yaml")))),*]
    };
}

const FILES: [(&str, &str); 16] = files![
    "lg1_cookbook",
    "lg2_hf",
    "lg2_cookbook",
    "lg2_canonical",
    "lg3_8b_hf",
    "lg3_8b_canonical",
    "lg3_1b_hf",
    "lg3_1b_canonical",
    "lg3_cookbook",
    "lg3_llama_stack",
    "lg4_hf",
    "lg4_canonical",
    "llama3_instruct_hf",
    "llama31_instruct_hf",
    "llama3_instruct_meta_chatformat",
    "llama31_meta_chatformat",
];
