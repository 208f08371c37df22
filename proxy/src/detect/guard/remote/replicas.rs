//! Servers that give the same answers: which of them to ask, and in what order.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// One server.
pub(super) struct Replica {
    /// Its root URL.
    pub(super) root: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Failures since it last answered.
    failures: u32,
    /// It is left alone until then.
    rests: Option<Instant>,
}

impl Replica {
    /// It answered.
    pub(super) fn answered(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// It failed: it is left alone for a second, then two, four, at most a minute.
    pub(super) fn failed(&self, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = Duration::from_secs(1 << state.failures.min(6)).min(Duration::from_mins(1));
        state.failures = state.failures.saturating_add(1);
        state.rests = Some(now + rest);
    }

    fn condition(&self, now: Instant) -> Condition {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.rests {
            None => Condition::Well,
            Some(until) if until <= now => Condition::Doubtful,
            Some(_) => Condition::Resting,
        }
    }
}

/// How a server is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    /// Its last answer was one.
    Well,
    /// It failed, but that is a while ago: it is asked how it is before it is asked anything.
    Doubtful,
    /// It failed just now.
    Resting,
}

/// All of them.
pub(super) struct Replicas {
    all: Vec<Replica>,
    next: AtomicUsize,
}

impl Replicas {
    /// The servers at these root URLs.
    pub(super) fn new(roots: Vec<String>) -> Self {
        let all = roots.into_iter().map(|root| Replica { root, state: Mutex::default() }).collect();
        Self { all, next: AtomicUsize::new(0) }
    }

    /// All servers in the order to ask them, each question beginning with another: those that are well, then those that
    /// may be again, and last those that failed just now, which are better than nobody.
    pub(super) fn in_order(&self, now: Instant) -> Vec<(&Replica, Condition)> {
        let first = self.next.fetch_add(1, Ordering::Relaxed) % self.all.len().max(1);
        let turned = self.all.iter().cycle().skip(first).take(self.all.len());
        let mut order: Vec<_> = turned.map(|replica| (replica, replica.condition(now))).collect();
        order.sort_by_key(|(_, condition)| *condition);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_failed_comes_last_until_it_has_rested() {
        let replicas = Replicas::new(["a", "b", "c"].map(str::to_owned).to_vec());
        let start = Instant::now();
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        let order = |now: Instant| -> String {
            replicas.in_order(now).iter().map(|(replica, _)| replica.root.as_str()).collect()
        };
        let last = |now: Instant| replicas.in_order(now).last().map(|(_, condition)| *condition);
        assert_eq!([order(start), order(start), order(start)], ["abc", "bca", "cab"]);
        let first = &replicas.all[0];
        first.failed(start);
        assert_eq!([order(start), order(start)], ["bca", "bca"]);
        assert_eq!(last(after(1100)), Some(Condition::Doubtful));
        first.failed(after(1100));
        assert_eq!(last(after(2200)), Some(Condition::Resting), "the second rest is longer");
        first.answered();
        assert_eq!(last(after(2200)), Some(Condition::Well));
    }
}
