//! What is judged: turns of a conversation, the last of which is on trial.

/// Who speaks in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The operator's instructions.
    System,
    /// The person.
    User,
    /// The generator's answer.
    Assistant,
    /// A tool's result or a document: text that should inform and never instruct.
    Tool,
}

/// One turn: who speaks, and what is said.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// Who speaks.
    pub role: Role,
    /// The text, always read as plain text: a special token written in it has no power.
    pub text: &'a str,
}

/// A conversation, oldest turn first. The last turn is what is judged, the earlier ones are its context.
#[derive(Debug, Clone, Default)]
pub struct Conversation<'a> {
    /// The turns.
    pub turns: Vec<Turn<'a>>,
}

impl<'a> Conversation<'a> {
    /// A conversation of one turn.
    pub fn single(role: Role, text: &'a str) -> Self {
        Self { turns: vec![Turn { role, text }] }
    }

    /// What of a request must be judged: the last user turn and every tool result, each as the end of a conversation
    /// that holds what came before it.
    pub fn trials(&self) -> Vec<Self> {
        let last = self.turns.iter().rposition(|turn| turn.role == Role::User);
        let on_trial =
            |at: &usize| Some(*at) == last || self.turns.get(*at).is_some_and(|turn| turn.role == Role::Tool);
        let until = |at: usize| Self { turns: self.turns.iter().take(at + 1).copied().collect() };
        (0..self.turns.len()).filter(on_trial).map(until).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_question_and_every_tool_result_are_tried() {
        let turn = |role, text| Turn { role, text };
        let turns = vec![
            turn(Role::System, "be kind"),
            turn(Role::User, "first"),
            turn(Role::Tool, "found"),
            turn(Role::User, "second"),
            turn(Role::Assistant, "well"),
            turn(Role::Tool, "page"),
        ];
        let trials = Conversation { turns }.trials();
        let ends: Vec<(usize, &str)> =
            trials.iter().map(|trial| (trial.turns.len(), trial.turns[trial.turns.len() - 1].text)).collect();
        assert_eq!(ends, [(3, "found"), (4, "second"), (6, "page")]);
    }
}
