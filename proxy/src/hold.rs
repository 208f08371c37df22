//! Hold, then release: an answer's text stays here until the piece it is in was judged.

mod lane;

use std::sync::Arc;

use code_shield::text::TextRules;

use crate::{
    segment::Segment,
    upstream::{Event, Finish, Lane, Usage},
};

use self::lane::LaneText;

/// The longest answer held, in bytes over all its fields.
pub const LONGEST: usize = 4 << 20;
/// Text that waits for the door; beyond it the upstream is not read until the door catches up.
pub const WAITING: usize = 256 << 10;

/// Where a piece of an answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which of several answers, from 0.
    pub choice: u32,
    /// Which of its fields.
    pub lane: Lane,
    /// For a tool call, the call's id as the upstream gave it, if it is a plain word.
    pub id: Option<String>,
}

/// The answers of one exchange, as far as they are known.
pub struct Hold {
    rules: Option<Arc<TextRules>>,
    lanes: Vec<LaneText>,
    answers: Vec<Answer>,
    usage: Option<Usage>,
    total: usize,
}

struct Answer {
    choice: u32,
    reason: Option<Finish>,
    refused: bool,
    told: bool,
}

impl Hold {
    /// For an exchange that asked for `choices` answers; text that may still become a match of `rules` waits.
    pub fn new(choices: u32, rules: Option<Arc<TextRules>>) -> Self {
        let answer = |choice| Answer { choice, reason: None, refused: false, told: false };
        Self { rules, lanes: Vec::new(), answers: (0..choices).map(answer).collect(), usage: None, total: 0 }
    }

    /// Takes what happened; answers nobody asked for, and those refused, are dropped.
    ///
    /// # Errors
    /// The answer is longer than [`LONGEST`].
    pub fn push(&mut self, event: Event) -> Result<(), TooLong> {
        match event {
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Text { choice, lane, text } => {
                if self.takes(choice) {
                    self.grow(text.len())?;
                    self.lane(choice, lane).push(&text);
                }
            }
            Event::ToolCall { choice, lane: call, id, name, arguments } => {
                if self.takes(choice) {
                    self.grow(name.len() + arguments.len())?;
                    // A later call means that the earlier ones are complete.
                    for lane in &mut self.lanes {
                        if lane.place.choice == choice
                            && matches!((lane.place.lane, call), (Lane::Tool(earlier), Lane::Tool(index)) if earlier < index)
                        {
                            lane.end();
                        }
                    }
                    self.lane(choice, call).push_call(id, &name, &arguments);
                }
            }
            Event::Finish { choice, reason } => {
                if self.takes(choice) {
                    self.lanes.iter_mut().filter(|lane| lane.place.choice == choice).for_each(LaneText::end);
                    if let Some(answer) = self.answer(choice) {
                        answer.reason = Some(reason);
                    }
                }
            }
        }
        Ok(())
    }

    /// The segments whose ends are decided, to be judged in one batch, in the order in which they may leave.
    pub fn ready(&mut self) -> Vec<(Place, Segment)> {
        let rules = self.rules.as_deref();
        self.lanes.iter_mut().flat_map(|lane| lane.ready(rules)).collect()
    }

    /// How much text is not yet on its way to the door, in bytes.
    pub fn waiting(&self) -> usize {
        self.lanes.iter().map(LaneText::waiting).sum()
    }

    /// Shuts one answer: nothing more of it leaves.
    pub fn refuse(&mut self, choice: u32) {
        self.lanes.retain(|lane| lane.place.choice != choice);
        if let Some(answer) = self.answer(choice) {
            answer.refused = true;
        }
    }

    /// Whether this answer was shut.
    pub fn is_refused(&self, choice: u32) -> bool {
        self.answers.iter().any(|answer| answer.choice == choice && answer.refused)
    }

    /// Whether every answer was shut, so that the upstream has nothing more to say to us.
    pub fn all_refused(&self) -> bool {
        self.answers.iter().all(|answer| answer.refused)
    }

    /// Answers that ended and whose text has all been judged; each is told once.
    pub fn finished(&mut self) -> Vec<(u32, Finish)> {
        let lanes = &self.lanes;
        let judged = |choice| lanes.iter().filter(|lane| lane.place.choice == choice).all(LaneText::is_done);
        let mut finished = Vec::new();
        for answer in self.answers.iter_mut().filter(|answer| !answer.told && !answer.refused) {
            if let Some(reason) = answer.reason.filter(|_| judged(answer.choice)) {
                answer.told = true;
                finished.push((answer.choice, reason));
            }
        }
        finished
    }

    /// Whether every answer was told or shut.
    pub fn is_complete(&self) -> bool {
        self.answers.iter().all(|answer| answer.told || answer.refused)
    }

    /// What the answers cost, as the upstream counts.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    fn takes(&self, choice: u32) -> bool {
        self.answers.iter().any(|answer| answer.choice == choice && !answer.refused && answer.reason.is_none())
    }

    fn answer(&mut self, choice: u32) -> Option<&mut Answer> {
        self.answers.iter_mut().find(|answer| answer.choice == choice)
    }

    fn grow(&mut self, by: usize) -> Result<(), TooLong> {
        self.total += by;
        if self.total > LONGEST { Err(TooLong) } else { Ok(()) }
    }

    fn lane(&mut self, choice: u32, lane: Lane) -> &mut LaneText {
        let known = self.lanes.iter().position(|known| known.place.choice == choice && known.place.lane == lane);
        let index = known.unwrap_or_else(|| {
            self.lanes.push(LaneText::new(choice, lane));
            self.lanes.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the index was found or has just been made")]
        &mut self.lanes[index]
    }
}

/// An answer longer than we hold.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the answer is longer than {LONGEST} bytes")]
pub struct TooLong;

#[cfg(test)]
mod tests;
