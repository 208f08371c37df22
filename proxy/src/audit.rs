//! The audit log: one JSON line for each decision, durable before what it allows leaves.
//!
//! A log is a directory of segment files `audit-000001.jsonl`, `audit-000002.jsonl` …, written by one thread of one
//! process. [`AuditLog::append`] queues a record; the thread takes all that wait, writes them at once, calls `fdatasync`
//! once and answers all (group commit). What it answers with, a [`Durable`], is the only proof that a record is on disk.
//!
//! Each record carries the SHA-256 of the line before it, so an edit, a removal or a new order shows in [`verify`].
//! *Limits:* whoever can write the directory can compute the chain anew from the edit on, and the last line is vouched
//! for by no other; the chain shows accidents and careless hands, not a forger.
//!
//! This is the only module that reads the wall clock.

mod disk;
mod error;
mod escape;
mod hash;
mod log;
mod reader;
mod record;
mod recover;
mod redact;
mod time;
mod verify;
mod writer;

pub use disk::default_directory;
pub use error::AuditError;
pub use escape::{Visible, visible, visible_json};
pub use log::{AuditLog, Durable, Options};
pub use reader::{Line, Lines, Unreadable, last, read};
pub use record::{Content, Event, Latency, Record, RecordDraft, Seen};
pub use redact::redact;
pub use time::{Timestamp, TimestampError};
pub use verify::{Chain, ChainError, Problem, verify};

#[cfg(test)]
pub(crate) use {disk::tests::Scratch, record::tests::draft};
