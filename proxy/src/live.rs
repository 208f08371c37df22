//! The policies in force, and how they are replaced while the program runs.
//!
//! A set of policies is replaced as a whole. An exchange keeps the set it began with to its end, so no exchange sees two.
//! A set that cannot be loaded, or whose own cases fail, replaces nothing.

mod source;

use std::{
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use policies::PolicySet;
use tokio::sync::watch;

use crate::{audit::Timestamp, telemetry::Metrics};

pub use source::{Source, SourceError, parse, prove, split, text};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The policies in force.
pub struct Live {
    source: Source,
    current: RwLock<Arc<PolicySet>>,
    /// Held while a set is read and takes its place, so that of two changes the later one stays.
    state: Mutex<State>,
    metrics: Metrics,
}

/// How the policies came to be in force.
#[derive(Debug, Clone)]
pub struct State {
    /// How many sets have been in force, this one included.
    pub generation: u64,
    /// Since when this one is.
    pub since: Timestamp,
    /// Why the files as they are now are not in force; none if they are.
    pub error: Option<String>,
    /// What the files held when they were last looked at.
    looked_at: String,
}

impl Live {
    /// Begins with a set that was read from `source`.
    pub fn new(source: Source, policies: Arc<PolicySet>, metrics: Metrics) -> Self {
        let looked_at = policies.hash().to_owned();
        let state = State { generation: 1, since: Timestamp::now(), error: None, looked_at };
        report_expired(&policies);
        Self { source, current: RwLock::new(policies), state: Mutex::new(state), metrics }
    }

    /// The policies in force now; whoever has them keeps them.
    pub fn policies(&self) -> Arc<PolicySet> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How they came to be in force.
    pub fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the files again and puts them in force.
    ///
    /// # Errors
    /// They cannot be loaded, or a case of theirs fails; what was in force stays so.
    pub fn reload(&self) -> Result<State, SourceError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.take(&mut state, true)
    }

    /// Reads the files again if they changed since they were last looked at.
    pub fn look(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // What went wrong was said when it went wrong.
        let _ = self.take(&mut state, false);
    }

    /// Looks at the files each second until it is told to stop.
    pub async fn watch(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = stopped.wait_for(|stopped| *stopped) => return,
            }
            let live = Arc::clone(&self);
            let _ = tokio::task::spawn_blocking(move || live.look()).await;
        }
    }

    fn take(&self, state: &mut State, even_if_unchanged: bool) -> Result<State, SourceError> {
        let texts = self.source.texts();
        let seen = match &texts {
            Ok(texts) => Source::fingerprint(texts),
            Err(error) => error.to_string(),
        };
        if seen == state.looked_at && !even_if_unchanged {
            return Ok(state.clone());
        }
        state.looked_at = seen;
        match texts.and_then(|texts| self.source.proven(&texts)) {
            Ok(policies) => {
                state.error = None;
                let changed = policies.hash() != self.policies().hash();
                if changed {
                    state.generation += 1;
                    state.since = Timestamp::now();
                    tracing::info!(version = policies.version(), hash = policies.hash(), "new policies are in force");
                    report_expired(&policies);
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policies);
                }
                self.metrics.reload(if changed { "changed" } else { "unchanged" });
                Ok(state.clone())
            }
            Err(error) => {
                tracing::error!(%error, "the policies as they are now do not load; those before stay in force");
                state.error = Some(error.to_string());
                self.metrics.reload("failed");
                Err(error)
            }
        }
    }
}

fn report_expired(policies: &PolicySet) {
    for expired in policies.expired(Timestamp::now().seconds()) {
        tracing::warn!("{expired}");
    }
}

#[cfg(test)]
mod tests;
