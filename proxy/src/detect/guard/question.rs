//! What of a segment is put to a guard.

use guard_model::{Conversation, Role, Turn};
use policies::{Provenance, Stage};

use super::memory::{self, Key};
use crate::{
    chat::Chat,
    normalise::views,
    segment::{Kind, Part, Segment},
};

/// How much of an answer is judged with each of its segments, in bytes; what came before was judged with earlier ones.
const ANSWER_WINDOW: usize = 512;
/// So many words may be a sentence, which is judged alone: beside others it would be diluted.
const SENTENCE: usize = 4;

/// One text to be judged, in the light of the turn before it.
pub(super) struct Question {
    pub(super) part: usize,
    pub(super) role: Role,
    pub(super) before: Option<String>,
    pub(super) text: String,
    pub(super) length: usize,
}

impl Question {
    pub(super) fn key(&self, tenant: &str) -> Key {
        memory::key(tenant, self.role, self.before.as_deref(), &self.text)
    }

    pub(super) fn conversation(&self) -> Conversation<'_> {
        let before = self.before.as_deref().map(|text| Turn { role: Role::User, text });
        let last = Turn { role: self.role, text: &self.text };
        Conversation { turns: before.into_iter().chain([last]).collect() }
    }
}

/// Every text as it stands, and as its disguise says; small strings together.
pub(super) fn questions(chat: &Chat, segment: &Segment) -> Vec<Question> {
    let mut all = Vec::new();
    let mut details: Vec<(Provenance, usize, String)> = Vec::new();
    for (index, part) in segment.parts.iter().enumerate() {
        // An operator's orders read like an attack when they are taken for the user's.
        if part.kind == Kind::Joined && part.provenance == Provenance::System {
            continue;
        }
        if matches!(part.kind, Kind::Turn | Kind::Joined) || part.text().split_whitespace().nth(SENTENCE - 1).is_some()
        {
            ask(chat, segment, index, part, &mut all);
        } else {
            // A word may be a whole text in disguise.
            disguised(index, part, &mut all);
            match details.iter_mut().find(|(provenance, ..)| *provenance == part.provenance) {
                Some((_, _, text)) => {
                    text.push('\n');
                    text.push_str(part.text());
                }
                None => details.push((part.provenance, index, part.text().to_owned())),
            }
        }
    }
    for (provenance, part, text) in details {
        all.push(Question { part, role: role(provenance), before: None, text, length: 0 });
    }
    all.retain(|question| !question.text.trim().is_empty());
    all
}

fn ask(chat: &Chat, segment: &Segment, index: usize, part: &Part, all: &mut Vec<Question>) {
    let (text, before) = match segment.stage {
        Stage::Input => (part.text(), None),
        Stage::Output => (tail(part.with_before(), part.text().len() + ANSWER_WINDOW), chat.last_user_text()),
    };
    let question = |text: &str| Question {
        part: index,
        role: role(part.provenance),
        before: before.map(str::to_owned),
        text: text.to_owned(),
        length: part.text().len(),
    };
    all.push(question(text));
    all.extend(views(text).views.iter().map(|view| question(&view.text)));
}

fn disguised(index: usize, part: &Part, all: &mut Vec<Question>) {
    let role = role(part.provenance);
    let length = part.text().len();
    let views = views(part.text()).views.into_iter();
    all.extend(views.map(|view| Question { part: index, role, before: None, text: view.text, length }));
}

/// The last `length` bytes of a text, from a character's beginning on.
fn tail(text: &str, length: usize) -> &str {
    let from = (text.len().saturating_sub(length)..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(from..).unwrap_or(text)
}

fn role(provenance: Provenance) -> Role {
    match provenance {
        Provenance::System => Role::System,
        Provenance::User => Role::User,
        Provenance::Assistant => Role::Assistant,
        Provenance::Tool => Role::Tool,
    }
}
