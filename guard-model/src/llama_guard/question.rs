//! What of a conversation a Llama Guard is told.

use crate::prompt::{Categories, Message, Prompt, PromptError, Template};
use crate::{Conversation, GuardError, Role, Turn};

/// How much is put to a guard at once, in bytes, of which each is at most one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// Of the text that is judged.
    pub judged: usize,
    /// Of the turns before it.
    pub before: usize,
}

impl Default for Measure {
    fn default() -> Self {
        Self { judged: 8192, before: 4096 }
    }
}

impl Measure {
    /// What fits so many tokens beside the template's own words; none when that is next to nothing.
    pub fn fitting(tokens: usize) -> Option<Self> {
        let free = tokens.checked_sub(TURNS * FRAME).filter(|free| *free >= 128)?;
        let usual = Self::default();
        let before = usual.before.min(free / 4);
        Some(Self { judged: usual.judged.min(free - before), before })
    }
}

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
pub fn windows<'a>(conversation: &Conversation<'a>, measure: Measure) -> Result<Vec<Window<'a>>, GuardError> {
    let (judged, earlier) = conversation.turns.split_last().ok_or(GuardError::Empty)?;
    let mut before = Vec::new();
    let mut room = measure.before;
    for turn in earlier.iter().rev().filter(|turn| turn.role != Role::System).take(TURNS - 1) {
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
    // Two parts share so much that no sentence is cut in both.
    let shared = measure.judged / 10;
    while rest.len() > measure.judged {
        windows.push(window(rest.get(..rest.floor_char_boundary(measure.judged)).unwrap_or_default()));
        rest = rest.get(rest.floor_char_boundary(measure.judged - shared)..).unwrap_or_default();
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

/// Most turns that are told.
const TURNS: usize = 16;

/// Most tokens that stand around the text of a turn.
const FRAME: usize = 8;

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
        let measure = Measure::default();
        let windows = windows(&Conversation::single(Role::Tool, &text), measure).unwrap();
        assert!(windows.len() > 3 && windows.iter().all(|window| window.judged.text.len() <= measure.judged));
        for pair in windows.windows(2) {
            let from = pair[1].judged.text.get(..measure.judged / 20).unwrap_or(pair[1].judged.text);
            assert!(pair[0].judged.text.contains(from));
        }
        assert!(text.starts_with(windows[0].judged.text) && text.ends_with(windows.last().unwrap().judged.text));
    }

    #[test]
    fn a_small_model_is_asked_about_small_parts() {
        assert_eq!(Measure::fitting(100_000), Some(Measure::default()));
        assert_eq!(Measure::fitting(528), Some(Measure { judged: 300, before: 100 }));
        assert_eq!(Measure::fitting(200), None);
    }

    #[test]
    fn the_newest_of_what_came_before_is_told_and_no_operator() {
        let measure = Measure { judged: 100, before: 1000 };
        let long = "y".repeat(1000);
        let turns = vec![
            turn(Role::User, "gone"),
            turn(Role::Assistant, &long),
            turn(Role::System, "orders"),
            turn(Role::User, "last but one"),
            turn(Role::Assistant, "judged"),
        ];
        let told = windows(&Conversation { turns }, measure).unwrap()[0].conversation();
        let lengths: Vec<usize> = told.turns.iter().map(|turn| turn.text.len()).collect();
        assert_eq!(lengths, [988, 12, 6]);
        assert!(windows(&Conversation::default(), measure).is_err());
    }
}
