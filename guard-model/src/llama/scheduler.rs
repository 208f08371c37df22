//! Who is judged when: one bounded queue before a model.
//!
//! One thread of its own feeds the model; the model's matrices are multiplied by all threads of the pool. What waits is fed
//! together, some hundred tokens at a time, the nearest deadline first, so that short requests share the reading of the
//! weights and a long one holds up none for longer than one pass. Whoever is late or has left is dropped between passes.

use super::{Cache, Llama, Owner, Part, Store, Wanted};
use crate::GuardError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;

/// A model with a queue before it. When it is dropped, those who wait are told that it stopped.
pub struct Scheduler {
    shared: Arc<Shared>,
    worker: Option<JoinHandle<()>>,
}

/// What to feed, and which logits to give.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whose text it is, see [`Store`].
    pub owner: Owner,
    /// All tokens from the first; what a cache already holds is not fed again.
    pub tokens: Vec<u32>,
    /// For each the token, by its number among `tokens`, after which the logits of these ids stand.
    pub wanted: Vec<(usize, Vec<u32>)>,
    /// When the answer is of no use any more.
    pub deadline: Instant,
}

/// An answer that is waited for. Who drops it does not want it any more, and it is not computed further.
pub struct Ticket {
    answer: mpsc::Receiver<Answer>,
    left: Arc<AtomicBool>,
    deadline: Instant,
}

/// For each of the wanted the logits of its ids.
type Answer = Result<Vec<Vec<f32>>, GuardError>;

struct Shared {
    model: Arc<Llama>,
    store: Arc<Store>,
    most_waiting: usize,
    queue: Mutex<Queue>,
    news: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// Those who wait, and those who are being fed.
    count: usize,
    ended: bool,
}

struct Waiting {
    request: Request,
    answer: mpsc::SyncSender<Answer>,
    left: Arc<AtomicBool>,
}

/// A request that is being fed.
struct Running {
    waiting: Waiting,
    cache: Cache,
    logits: Vec<Vec<f32>>,
}

impl Scheduler {
    /// A queue for at most `most_waiting` requests before `model`, with its caches in `store`.
    ///
    /// # Errors
    /// [`GuardError::Failed`] when the system gives no thread.
    pub fn new(model: Arc<Llama>, store: Arc<Store>, most_waiting: usize) -> Result<Self, GuardError> {
        let shared = Arc::new(Shared { model, store, most_waiting, queue: Mutex::default(), news: Condvar::default() });
        let own = Arc::clone(&shared);
        let worker = std::thread::Builder::new().name("guard".to_owned()).spawn(move || own.work());
        let worker =
            worker.map_err(|error| GuardError::Failed(format!("there is no thread for the guard: {error}")))?;
        Ok(Self { shared, worker: Some(worker) })
    }

    /// Puts a request in the queue.
    ///
    /// # Errors
    /// [`GuardError::Failed`] when the queue is full, or the request is one that no model can answer.
    pub fn ask(&self, request: Request) -> Result<Ticket, GuardError> {
        self.shared.check(&request)?;
        let (sender, answer) = mpsc::sync_channel(1);
        let left = Arc::new(AtomicBool::new(false));
        let ticket = Ticket { answer, left: Arc::clone(&left), deadline: request.deadline };
        let mut queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        // Those who have left take no place.
        let before = queue.waiting.len();
        queue.waiting.retain(|waiting| !waiting.left.load(Ordering::Relaxed));
        queue.count -= before - queue.waiting.len();
        if queue.count >= self.shared.most_waiting {
            return Err(GuardError::Failed(format!("the guard's queue is full, {} wait in it", queue.count)));
        }
        queue.count += 1;
        queue.waiting.push(Waiting { request, answer: sender, left });
        drop(queue);
        self.shared.news.notify_one();
        Ok(ticket)
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        self.shared.news.notify_one();
        // A thread that panicked has answered nobody, and all who wait were told so when their senders were dropped.
        let _ = self.worker.take().map(JoinHandle::join);
    }
}

impl Ticket {
    /// Waits for the answer, at most until the deadline. Blocks its thread.
    ///
    /// # Errors
    /// [`GuardError::Late`] when the deadline comes first; [`GuardError::Failed`] when the guard failed or stopped.
    pub fn wait(self) -> Answer {
        let left = self.deadline.saturating_duration_since(Instant::now());
        self.answer.recv_timeout(left).unwrap_or_else(|error| match error {
            mpsc::RecvTimeoutError::Timeout => Err(late()),
            mpsc::RecvTimeoutError::Disconnected => Err(GuardError::Failed("the guard stopped".to_owned())),
        })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.left.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    /// What the model would refuse is refused before it can spoil a batch.
    fn check(&self, request: &Request) -> Result<(), GuardError> {
        let vocabulary = self.model.vocabulary();
        let ids = request.wanted.iter().flat_map(|(_, of)| of);
        let known = request.tokens.iter().chain(ids).all(|id| (*id as usize) < vocabulary);
        let there = request.wanted.iter().all(|(after, of)| *after < request.tokens.len() && !of.is_empty());
        if request.tokens.is_empty() || request.wanted.is_empty() || !known || !there {
            return Err(GuardError::Failed("a request has tokens or wants scores that there are not".to_owned()));
        }
        let (fed, most) = (request.tokens.len(), self.model.context_length());
        if fed > most {
            return Err(GuardError::Failed(format!("{fed} tokens do not fit the model's context of {most}")));
        }
        Ok(())
    }

    fn work(&self) {
        let mut running: Vec<Running> = Vec::new();
        while self.take(&mut running) {
            self.drop_some(&mut running);
            running.sort_by_key(|running| running.waiting.request.deadline);
            if let Err(error) = self.feed(&mut running) {
                let reason = error.to_string();
                for running in running.drain(..) {
                    self.answer(&running.waiting, Err(GuardError::Failed(reason.clone())));
                }
            }
            for done in running.extract_if(.., |running| running.left() == 0) {
                let Running { waiting, cache, logits } = done;
                self.store.keep(&waiting.request.owner, &waiting.request.tokens, cache);
                self.answer(&waiting, Ok(logits));
            }
        }
    }

    /// Takes over who waits, as long as there is room; waits itself when there is nothing to do. False at the end.
    fn take(&self, running: &mut Vec<Running>) -> bool {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        while running.is_empty() && queue.waiting.is_empty() && !queue.ended {
            queue = self.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.ended {
            return false;
        }
        queue.waiting.sort_by_key(|waiting| waiting.request.deadline);
        let room = MOST_AT_ONCE.saturating_sub(running.len()).min(queue.waiting.len());
        let taken: Vec<Waiting> = queue.waiting.drain(..room).collect();
        drop(queue);
        running.extend(taken.into_iter().map(|waiting| {
            let Request { owner, tokens, wanted, .. } = &waiting.request;
            // Scores are only there after tokens that are fed.
            let first = wanted.iter().map(|(after, _)| *after).min().unwrap_or_default();
            let found = self.store.find(owner, tokens.get(..=first).unwrap_or_default());
            let (cache, logits) = (found.unwrap_or_else(|| self.model.cache()), vec![Vec::new(); wanted.len()]);
            Running { waiting, cache, logits }
        }));
        true
    }

    fn drop_some(&self, running: &mut Vec<Running>) {
        let now = Instant::now();
        let gone = |running: &mut Running| {
            running.waiting.left.load(Ordering::Relaxed) || running.waiting.request.deadline <= now
        };
        for gone in running.extract_if(.., gone) {
            self.answer(&gone.waiting, Err(late()));
        }
    }

    /// One pass with the next tokens of as many as there is room for.
    fn feed(&self, running: &mut [Running]) -> Result<(), GuardError> {
        let mut room = MOST_ROWS;
        let mut wanted: Vec<(Vec<usize>, Vec<Wanted<'_>>)> = Vec::new();
        let mut parts = Vec::new();
        let mut fed = Vec::new();
        for running in running {
            let Running { waiting, cache, logits } = running;
            let start = cache.length();
            let tokens = waiting.request.tokens.get(start..).unwrap_or_default();
            let tokens = tokens.get(..room.min(tokens.len())).unwrap_or_default();
            if tokens.is_empty() {
                continue;
            }
            room -= tokens.len();
            let all = waiting.request.wanted.iter().enumerate();
            let here = all.filter(|(_, (after, _))| (start..start + tokens.len()).contains(after));
            wanted.push(here.map(|(at, (after, of))| (at, Wanted { after: after - start, of })).unzip());
            fed.push((tokens, cache, logits));
        }
        for ((tokens, cache, _), (_, wanted)) in fed.iter_mut().zip(&wanted) {
            parts.push(Part { tokens, cache, wanted });
        }
        let answers = self.model.batch(&mut parts)?;
        drop(parts);
        for (((_, _, logits), (places, _)), answers) in fed.into_iter().zip(&wanted).zip(answers) {
            for (place, answer) in places.iter().zip(answers) {
                logits.get_mut(*place).into_iter().for_each(|logits| logits.clone_from(&answer));
            }
        }
        Ok(())
    }

    fn answer(&self, waiting: &Waiting, answer: Answer) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).count -= 1;
        // Whoever has left hears nothing.
        let _ = waiting.answer.try_send(answer);
    }
}

impl Running {
    /// Tokens that are still to be fed.
    fn left(&self) -> usize {
        self.waiting.request.tokens.len() - self.cache.length()
    }
}

fn late() -> GuardError {
    GuardError::Late { judged: 0, windows: 1 }
}

/// Requests that are fed together.
const MOST_AT_ONCE: usize = 32;

/// Tokens of a pass, of all that are fed together.
const MOST_ROWS: usize = 256;

#[cfg(test)]
mod tests;
