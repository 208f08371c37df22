//! One exchange from the upstream's first word to the client's last: read, hold, judge, release.
//!
//! It runs as the body of the answer is read: when the client leaves, the body is dropped, and with it the upstream's
//! connection and the work of the detectors.

use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc, time::Duration};

use code_shield::text::TextRules;

use crate::{
    chat::Chat,
    enforce::{Cause, Cleared, Enforcer, Passed, Refusal},
    hold::{Hold, Place, WAITING},
    segment::Segment,
    upstream::{Events, Finish, UpstreamError, Usage},
};

/// How long the client hears nothing before a sign of life.
const QUIET: Duration = Duration::from_secs(10);

/// Segments judged in one batch. Each batch has the detectors' whole deadline, so that a long answer is not late for being long.
const BATCH: usize = 8;

/// What may be written to the client next.
pub enum Step {
    /// A piece of an answer.
    Piece(Place, Cleared<Passed>),
    /// One answer is refused; others go on.
    Refused(u32, Refusal),
    /// One answer is complete.
    Finished(u32, Finish),
    /// Nothing to say yet.
    Quiet,
    /// Every answer was told or refused.
    End(Option<Usage>),
    /// No more will come, and what came is not whole.
    Broken(Broken),
}

/// Why an exchange breaks off.
pub enum Broken {
    /// The upstream failed.
    Upstream(UpstreamError),
    /// The door cannot tell, or cannot record what it told.
    Door(Refusal),
}

type Judging = Pin<Box<dyn Future<Output = Vec<(Place, Result<Cleared<Passed>, Refusal>)>> + Send>>;

/// An exchange under way.
pub struct Exchange {
    enforcer: Arc<Enforcer>,
    chat: Arc<Chat>,
    events: Option<Events>,
    failed: Option<UpstreamError>,
    hold: Hold,
    waiting: VecDeque<(Place, Segment)>,
    judging: Option<Judging>,
    steps: VecDeque<Step>,
    over: bool,
}

impl Exchange {
    /// Begins with the upstream's answer to `chat`, of which `choices` were asked for.
    pub fn new(
        enforcer: Arc<Enforcer>,
        chat: Arc<Chat>,
        events: Events,
        choices: u32,
        rules: Option<Arc<TextRules>>,
    ) -> Self {
        let hold = Hold::new(choices, rules);
        Self {
            enforcer,
            chat,
            events: Some(events),
            failed: None,
            hold,
            waiting: VecDeque::new(),
            judging: None,
            steps: VecDeque::new(),
            over: false,
        }
    }

    /// The next step; none after [`Step::End`] or [`Step::Broken`].
    pub async fn next(&mut self) -> Option<Step> {
        loop {
            if let Some(step) = self.steps.pop_front() {
                if matches!(step, Step::End(_) | Step::Broken(_)) {
                    self.over = true;
                    self.events = None;
                    self.steps.clear();
                }
                return Some(step);
            }
            if self.over {
                return None;
            }
            if self.judging.is_none() {
                self.judge_or_end();
                if !self.steps.is_empty() {
                    continue;
                }
            }
            let reading = self.events.is_some() && self.hold.waiting() + self.queued() < WAITING;
            if self.judging.is_none() && !reading {
                // Nothing is judged, nothing can be read and nothing was finished: the upstream ended too soon.
                self.steps.push_back(Step::Broken(Broken::Upstream(UpstreamError::Cut)));
                continue;
            }
            tokio::select! {
                biased;
                judged = wait(&mut self.judging) => {
                    self.judging = None;
                    self.release(judged);
                }
                events = read(&mut self.events), if reading => self.take(events),
                () = tokio::time::sleep(QUIET) => return Some(Step::Quiet),
            }
        }
    }

    /// Text in segments that wait for their batch, in bytes.
    fn queued(&self) -> usize {
        self.waiting.iter().flat_map(|(_, segment)| &segment.parts).map(|part| part.text().len()).sum()
    }

    fn take(&mut self, events: Result<Option<Vec<crate::upstream::Event>>, UpstreamError>) {
        match events {
            Ok(Some(events)) => {
                for event in events {
                    if let Err(error) = self.hold.push(event) {
                        self.failed = Some(UpstreamError::Unreadable(error.to_string()));
                        self.events = None;
                        return;
                    }
                }
            }
            Ok(None) => self.events = None,
            Err(error) => {
                self.failed = Some(error);
                self.events = None;
            }
        }
    }

    fn judge_or_end(&mut self) {
        self.waiting.extend(self.hold.ready());
        if !self.waiting.is_empty() {
            let batch = self.waiting.drain(..self.waiting.len().min(BATCH));
            let (places, segments): (Vec<_>, Vec<_>) = batch.unzip();
            let (enforcer, chat) = (Arc::clone(&self.enforcer), Arc::clone(&self.chat));
            self.judging = Some(Box::pin(async move {
                // Answers are judged apart, so that the refusal of one does not keep the others from being judged.
                let each = segments.into_iter().map(|segment| enforcer.enforce(&chat, segment));
                places.into_iter().zip(futures_util::future::join_all(each).await).collect()
            }));
            return;
        }
        self.steps.extend(self.hold.finished().into_iter().map(|(choice, reason)| Step::Finished(choice, reason)));
        if self.hold.all_refused() || (self.hold.is_complete() && self.events.is_none()) {
            self.steps.push_back(Step::End(self.hold.usage()));
        } else if self.events.is_none() {
            let error = self.failed.take().unwrap_or(UpstreamError::Cut);
            self.steps.push_back(Step::Broken(Broken::Upstream(error)));
        }
    }

    fn release(&mut self, judged: Vec<(Place, Result<Cleared<Passed>, Refusal>)>) {
        for (place, result) in judged {
            match result {
                // A piece that was judged beside a refused one, or after it, does not leave.
                _ if self.hold.is_refused(place.choice) => {}
                Ok(cleared) => self.steps.push_back(Step::Piece(place, cleared)),
                Err(refusal) if refusal.cause == Cause::Blocked => {
                    self.hold.refuse(place.choice);
                    self.waiting.retain(|(waiting, _)| waiting.choice != place.choice);
                    self.steps.push_back(Step::Refused(place.choice, refusal));
                }
                Err(refusal) => {
                    self.steps.push_back(Step::Broken(Broken::Door(refusal)));
                    return;
                }
            }
        }
    }
}

async fn wait(judging: &mut Option<Judging>) -> Vec<(Place, Result<Cleared<Passed>, Refusal>)> {
    match judging {
        Some(judging) => judging.await,
        None => std::future::pending().await,
    }
}

async fn read(events: &mut Option<Events>) -> Result<Option<Vec<crate::upstream::Event>>, UpstreamError> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}
