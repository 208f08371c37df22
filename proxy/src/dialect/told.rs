//! An answer that is told at once, as it grows. Its text is taken from nothing but [`Cleared`] pieces and [`Refusal`]s.

use serde_json::Value;

use super::{refusal, translate};
use crate::{
    enforce::{Cleared, Passed, Refusal},
    hold::Place,
    upstream::{Finish, Lane},
};

/// The answers to one request.
#[derive(Debug)]
pub struct Told {
    choices: Vec<Choice>,
}

/// One answer.
#[derive(Debug, Default)]
pub(super) struct Choice {
    pub(super) content: String,
    pub(super) reasoning: String,
    pub(super) refusal: String,
    pub(super) calls: Vec<Call>,
    /// The older `function_call`.
    pub(super) function: Option<Call>,
    pub(super) reason: Option<Finish>,
    /// Why it is refused, if it is: then `content` is the refusal's text.
    pub(super) refused: Option<Value>,
}

/// A tool call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

impl Call {
    /// The call that a piece is.
    pub(super) fn of(place: &Place, cleared: &Cleared<Passed>) -> Self {
        let text = |index: usize| cleared.get().texts.get(index).cloned().unwrap_or_default();
        let number = if let Lane::Tool(index) = place.lane { index } else { 0 };
        let id = place.id.clone().unwrap_or_else(|| format!("call_{}_{number}", place.choice));
        Self { id, name: text(0), arguments: text(1) }
    }

    /// The arguments as the object they should be; as they stand, if they are none.
    pub(super) fn object(&self) -> Value {
        translate::object(&self.arguments)
    }
}

impl Told {
    /// `count` answers of which nothing is told yet.
    pub fn new(count: u32) -> Self {
        Self { choices: (0..count).map(|_| Choice::default()).collect() }
    }

    /// Adds a piece.
    pub fn piece(&mut self, place: &Place, cleared: &Cleared<Passed>) {
        let Some(choice) = self.choice(place.choice) else { return };
        let text = cleared.get().texts.first().map_or("", String::as_str);
        match place.lane {
            Lane::Content => choice.content.push_str(text),
            Lane::Reasoning => choice.reasoning.push_str(text),
            Lane::Refusal => choice.refusal.push_str(text),
            Lane::Tool(_) => choice.calls.push(Call::of(place, cleared)),
            Lane::Function => choice.function = Some(Call::of(place, cleared)),
        }
    }

    /// Ends an answer.
    pub fn finished(&mut self, index: u32, reason: Finish) {
        if let Some(choice) = self.choice(index) {
            choice.reason = Some(reason);
        }
    }

    /// Replaces an answer by its refusal; what was said before it is withdrawn.
    pub fn refused(&mut self, index: u32, refusal: &Refusal) {
        if let Some(choice) = self.choice(index) {
            *choice = Choice {
                content: refusal::message(refusal),
                reason: Some(Finish::ContentFilter),
                refused: Some(refusal::results(refusal)),
                ..Choice::default()
            };
        }
    }

    /// Every answer, with its index.
    pub(super) fn choices(&self) -> impl Iterator<Item = (u32, &Choice)> {
        (0..).zip(&self.choices)
    }

    /// The only answer of a format that has but one.
    pub(super) fn only(&self) -> Option<&Choice> {
        self.choices.first()
    }

    fn choice(&mut self, index: u32) -> Option<&mut Choice> {
        usize::try_from(index).ok().and_then(|index| self.choices.get_mut(index))
    }
}

impl Choice {
    /// Why it ended.
    pub(super) fn reason(&self) -> Finish {
        self.reason.unwrap_or(Finish::Stop)
    }
}
