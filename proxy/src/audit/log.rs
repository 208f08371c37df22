//! The log as the door sees it.

use std::{
    fs::File,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout_at,
};

use super::{
    AuditError, RecordDraft,
    disk::{self, MAX_LINE},
    escape::json_line,
    recover::recover,
    writer::{HEAD_BYTES, Job, Writer},
};

/// A log open for appending; one process at a time holds it.
///
/// Dropping it waits until what is queued has been written.
#[derive(Debug)]
pub struct AuditLog {
    /// None only while dropping.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// Bytes the queue has room for. Its waiters are served in order, so no record starves.
    room: Arc<Semaphore>,
    queue_bytes: usize,
    poison: Arc<OnceLock<AuditError>>,
    /// Declared last: released when the writer has ended.
    _lock: File,
}

/// Sizes of a log.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// A segment file is followed by a new one once it has this many bytes; it may be longer by one batch, about 4 MiB.
    pub rotate_bytes: u64,
    /// How many bytes of records may wait to be written; then whoever appends waits.
    pub queue_bytes: u32,
}

impl Default for Options {
    /// 256 MiB a segment, 64 MiB in the queue.
    fn default() -> Self {
        Self { rotate_bytes: 256 << 20, queue_bytes: 64 << 20 }
    }
}

/// Proof that a record is on disk. Only the log's writer makes one, after `fdatasync`.
///
/// ```compile_fail
/// let forged = ringfence::audit::Durable { sequence: 1 };
/// ```
#[derive(Debug)]
#[must_use = "without the proof nothing passes"]
pub struct Durable {
    sequence: u64,
}

impl Durable {
    pub(super) fn new(sequence: u64) -> Self {
        Self { sequence }
    }

    /// The record's place in the log.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

impl AuditLog {
    /// Opens the log in this directory, made if it is not there, and starts its writer. Blocks on the disk.
    ///
    /// A tail that a crash left behind is moved to a file named `.torn`, with a warning that says how many bytes it had.
    ///
    /// # Errors
    /// Another process holds the log, or the directory or the last segment cannot be read or written.
    pub fn open(directory: impl Into<PathBuf>, options: Options) -> Result<Self, AuditError> {
        let directory = directory.into();
        disk::create_directory(&directory)?;
        let lock = disk::lock(&directory)?;
        let (number, segment, tip) = recover(&directory)?;
        let poison = Arc::new(OnceLock::new());
        let rotate_bytes = options.rotate_bytes;
        Self::start(Writer { directory, number, segment, tip, rotate_bytes, poison }, options.queue_bytes, lock)
    }

    fn start(writer: Writer, queue_bytes: u32, lock: File) -> Result<Self, AuditError> {
        let (directory, poison) = (writer.directory.clone(), Arc::clone(&writer.poison));
        let (jobs, waiting) = mpsc::channel();
        let thread = thread::Builder::new().name("audit".into()).spawn(move || writer.run(&waiting));
        let thread = thread.map_err(AuditError::io("start the writer of", &directory))?;
        let queue_bytes = queue_bytes.max(1) as usize;
        let room = Arc::new(Semaphore::new(queue_bytes));
        Ok(Self { jobs: Some(jobs), thread: Some(thread), room, queue_bytes, poison, _lock: lock })
    }

    /// Appends a record, and returns when it is durable. Never blocks the thread.
    ///
    /// When the future is dropped early, a record that was already queued is written all the same.
    ///
    /// # Errors
    /// The disk refused it, or a failure before has stopped the log; the deadline passed while the queue was full or the
    /// disk was slow, and then the record may still be written; or it is longer than a line may be.
    pub async fn append(&self, draft: &RecordDraft, deadline: Instant) -> Result<Durable, AuditError> {
        self.health()?;
        let body = json_line(draft).map_err(|error| AuditError::Json(Arc::new(error)))?;
        let limit = MAX_LINE - HEAD_BYTES;
        if body.len() > limit {
            return Err(AuditError::TooLong { length: body.len(), limit });
        }
        let cost = body.len().max(LEAST_COST).min(self.queue_bytes) as u32;
        let queued = async {
            let room = Arc::clone(&self.room).acquire_many_owned(cost).await.map_err(|_| AuditError::Closed)?;
            let (answer, answered) = oneshot::channel();
            let jobs = self.jobs.as_ref().ok_or(AuditError::Closed)?;
            jobs.send(Job { body, answer, room }).map_err(|_| AuditError::Closed)?;
            answered.await.map_err(|_| AuditError::Closed)?
        };
        timeout_at(deadline.into(), queued).await.map_err(|_| AuditError::Late)?
    }

    /// Whether the log can still write; what readiness asks.
    ///
    /// # Errors
    /// The first failure after which the state of the disk was unknown.
    pub fn health(&self) -> Result<(), AuditError> {
        self.poison.get().map_or(Ok(()), |cause| Err(cause.clone()))
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the writer has been reported by its thread.
            let _panicked = thread.join();
        }
    }
}

/// What the shortest record takes of the queue's room, so that the number of waiting records is bounded as well.
const LEAST_COST: usize = 1024;

#[cfg(test)]
#[path = "log_tests.rs"]
pub(super) mod tests;
