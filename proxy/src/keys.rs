//! The keys that callers send, and whose they are.
//!
//! A key is `rf_NAME_SECRET`. The file holds its name and an argon2 hash, never the secret; so one hash is computed for one
//! key, and that once: what was proven is remembered, by a SHA-256, until the file changes. *Limits:* whoever can write the
//! file can let anyone in; the name of a key is no secret, and whether a name exists shows in the time of the answer.

mod ring;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use http::HeaderValue;
use tokio::sync::{Semaphore, watch};

pub use ring::{KeyFileError, Ring, new_key};

use crate::{audit::Timestamp, caller::Caller, upstream::Credentials};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Hashes computed at once: each takes 19 MiB and a good part of a core for some milliseconds.
const AT_ONCE: usize = 2;

/// The keys of a file, as it is now.
pub struct Keys {
    file: PathBuf,
    ring: RwLock<Arc<Ring>>,
    looked_at: Mutex<String>,
    busy: Semaphore,
}

/// A caller without a key that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is none.
    #[error("this service needs a key: send it as `authorization: Bearer KEY` or `x-api-key: KEY`")]
    Missing,
    /// It is unknown, revoked, or its last day is past.
    #[error("this key is not known here, or no longer")]
    Unknown,
}

impl Keys {
    /// The keys of a file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(file: &Path) -> Result<Self, KeyFileError> {
        let text = Ring::text(file)?;
        let ring = Ring::read(&file.display().to_string(), &text)?;
        let (ring, looked_at) = (RwLock::new(Arc::new(ring)), Mutex::new(text));
        Ok(Self { file: file.to_owned(), ring, looked_at, busy: Semaphore::new(AT_ONCE) })
    }

    /// Who sends these credentials. The key is taken out of them: no upstream sees it.
    ///
    /// # Errors
    /// No key is among them, or it is not known.
    pub async fn caller(&self, credentials: &mut Credentials) -> Result<Caller, KeyError> {
        let whole = credentials.clone();
        let Some(key) = take_key(credentials) else { return Err(KeyError::Missing) };
        let ring = Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner));
        let (proven, known) = ring.recall(&key, Timestamp::now().seconds()).ok_or(KeyError::Unknown)?;
        if !proven {
            let Ok(_permit) = self.busy.acquire().await else { return Err(KeyError::Unknown) };
            let ring = Arc::clone(&ring);
            let holds = tokio::task::spawn_blocking(move || ring.prove(&key)).await.unwrap_or(false);
            if !holds {
                return Err(KeyError::Unknown);
            }
        }
        Ok(Caller::new(&known.tenant, known.groups.clone(), &whole))
    }

    /// Reads the file again if it changed; one that cannot be read changes nothing.
    pub fn look(&self) {
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match Ring::text(&self.file) {
            Ok(text) => text,
            Err(error) => error.to_string(),
        };
        if *looked_at == text {
            return;
        }
        match Ring::read(&self.file.display().to_string(), &text) {
            Ok(ring) => {
                tracing::info!(keys = ring.len(), "new keys are in force");
                *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
            }
            Err(error) => {
                tracing::error!(%error, "the keys as they are now cannot be read; those before stay in force");
            }
        }
        *looked_at = text;
    }

    /// Looks at the file each second until it is told to stop.
    pub async fn watch(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = stopped.wait_for(|stopped| *stopped) => return,
            }
            let keys = Arc::clone(&self);
            let _ = tokio::task::spawn_blocking(move || keys.look()).await;
        }
    }
}

/// Takes the key that is ours out of the credentials.
fn take_key(credentials: &mut Credentials) -> Option<String> {
    let ours = |value: &HeaderValue| {
        let text = value.to_str().ok()?;
        let scheme = text.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer "));
        let key = scheme.and_then(|_| text.get(7..)).unwrap_or(text).trim();
        (key.starts_with("rf_") && key.len() <= 256).then(|| key.to_owned())
    };
    for place in [&mut credentials.authorization, &mut credentials.api_key] {
        if let Some(key) = place.as_ref().and_then(ours) {
            *place = None;
            return Some(key);
        }
    }
    None
}

#[cfg(test)]
mod tests;
