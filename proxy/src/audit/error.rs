//! What can go wrong with the log.

use std::{io, path::PathBuf, sync::Arc};

/// Why a record was not written, or a log not opened or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuditError {
    /// Another process writes this log.
    #[error(
        "the audit log `{0}` is in use by another ringfence: stop that one, or choose another directory with `--audit`"
    )]
    Locked(PathBuf),
    /// A file or directory of the log could not be read, made or written.
    #[error("cannot {action} `{path}`: {source}", path = path.display())]
    Io {
        /// What was tried, such as `write to`.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The system's answer.
        source: Arc<io::Error>,
    },
    /// A segment file is a link, a device or a directory.
    #[error("`{0}` is not a regular file: move it out of the audit directory")]
    NotAFile(PathBuf),
    /// The end of a segment file holds no record, so the sequence cannot be continued.
    #[error("the last {window} bytes of `{path}` hold no record: move the file out of the audit directory to start a new log", path = path.display())]
    Damaged {
        /// The segment file.
        path: PathBuf,
        /// How many bytes of its end were looked at.
        window: u64,
    },
    /// A record is longer than a line may be.
    #[error("a record of {length} bytes is longer than the {limit} bytes a line of the audit log may have")]
    TooLong {
        /// The record's length in bytes.
        length: usize,
        /// The most bytes there may be.
        limit: usize,
    },
    /// A record could not be turned into JSON.
    #[error("cannot write a record as JSON: {0}")]
    Json(Arc<serde_json::Error>),
    /// The record was not durable in time; it may still become so, for something that was refused.
    #[error("the audit log did not make a record durable in time")]
    Late,
    /// An earlier failure left the state of the disk unknown, so nothing more is written until the next start.
    #[error("the audit log stopped writing after a failure, restart ringfence once the disk is sound: {0}")]
    Poisoned(Arc<AuditError>),
    /// The writer's thread is gone.
    #[error("the audit log is closed")]
    Closed,
}

impl AuditError {
    /// An adapter for `map_err`: the system's answer, with what was tried on which path.
    pub(super) fn io(action: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source: Arc::new(source) }
    }
}
