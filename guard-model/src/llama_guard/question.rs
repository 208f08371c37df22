//! What of a conversation a Llama Guard is told.

use crate::prompt::{Categories, Message, Prompt, PromptError, Template};
use crate::{Conversation, GuardError, Role, Turn};

/// Bytes of the earlier turns that are told.
pub const CONTEXT_BYTES: usize = 4096;

/// A part of a conversation's last turn, with what came before.
#[derive(Debug, Clone)]
pub struct Window<'a> {
    before: Vec<Turn<'a>>,
    judged: Turn<'a>,
}

impl<'a> Window<'a> {
    /// The conversation that ends with this part.
    pub fn conversation(&self) -> Conversation<'a> {
        Conversation { turns: self.before.iter().copied().chain([self.judged]).collect() }
    }
}

/// The parts of a conversation that together judge its last turn: one for a short text, overlapping ones for a long one.
///
/// The operator's messages are left out, since no Llama Guard was taught to read them, unless one is the last turn.
///
/// # Errors
/// [`GuardError::Empty`] when there is no turn.
pub fn windows<'a>(conversation: &Conversation<'a>) -> Result<Vec<Window<'a>>, GuardError> {
    let (judged, earlier) = conversation.turns.split_last().ok_or(GuardError::Empty)?;
    let mut before = Vec::new();
    let mut room = CONTEXT_BYTES;
    for turn in earlier.iter().rev().filter(|turn| turn.role != Role::System) {
        let from = turn.text.ceil_char_boundary(turn.text.len().saturating_sub(room));
        before.push(Turn { role: turn.role, text: turn.text.get(from..).unwrap_or_default() });
        room = room.saturating_sub(turn.text.len());
        if room == 0 {
            break;
        }
    }
    before.reverse();
    let window = |text| Window { before: before.clone(), judged: Turn { role: judged.role, text } };
    let mut windows = Vec::new();
    let mut rest = judged.text;
    while rest.len() > WINDOW {
        windows.push(window(rest.get(..rest.floor_char_boundary(WINDOW)).unwrap_or_default()));
        rest = rest.get(rest.floor_char_boundary(WINDOW - OVERLAP)..).unwrap_or_default();
    }
    windows.push(window(rest));
    Ok(windows)
}

impl Template {
    /// The prompt that puts a conversation's last turn on trial. A Llama Guard knows a user and an agent: what a tool
    /// says is told as the agent's, as the models' own templates have it.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn ask(&self, conversation: &Conversation<'_>, categories: &Categories) -> Result<Prompt, PromptError> {
        let role = |role| match role {
            Role::System | Role::User => "user",
            Role::Assistant | Role::Tool => "assistant",
        };
        let messages: Vec<Message<'_>> =
            conversation.turns.iter().map(|turn| Message::new(role(turn.role), turn.text)).collect();
        self.render(&messages, categories)
    }
}

/// Bytes of a text judged at once.
const WINDOW: usize = 8192;

/// Bytes two parts share, so that no sentence is cut in both.
const OVERLAP: usize = 768;

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(role: Role, text: &str) -> Turn<'_> {
        Turn { role, text }
    }

    #[test]
    fn a_long_text_is_judged_in_whole_by_overlapping_parts() {
        let text: String =
            (0..6000).flat_map(|number| ['é', char::from_digit(number % 36, 36).unwrap(), ' ', 'x', 'y']).collect();
        let windows = windows(&Conversation::single(Role::Tool, &text)).unwrap();
        assert!(windows.len() > 3 && windows.iter().all(|window| window.judged.text.len() <= WINDOW));
        for pair in windows.windows(2) {
            let from = pair[1].judged.text.get(..OVERLAP / 2).unwrap_or(pair[1].judged.text);
            assert!(pair[0].judged.text.contains(from));
        }
        assert!(text.starts_with(windows[0].judged.text) && text.ends_with(windows.last().unwrap().judged.text));
    }

    #[test]
    fn the_newest_of_what_came_before_is_told_and_no_operator() {
        let long = "y".repeat(CONTEXT_BYTES);
        let turns = vec![
            turn(Role::User, "gone"),
            turn(Role::Assistant, &long),
            turn(Role::System, "orders"),
            turn(Role::User, "last but one"),
            turn(Role::Assistant, "judged"),
        ];
        let told = windows(&Conversation { turns }).unwrap()[0].conversation();
        let lengths: Vec<usize> = told.turns.iter().map(|turn| turn.text.len()).collect();
        assert_eq!(lengths, [CONTEXT_BYTES - 12, 12, 6]);
        assert!(windows(&Conversation::default()).is_err());
    }
}
