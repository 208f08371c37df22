//! The thread that writes.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock, mpsc::Receiver},
};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    AuditError, Durable, Timestamp,
    disk::{Failure, Segment},
    hash::Hash,
    recover::Tip,
};

/// A record that waits to be written.
#[derive(Debug)]
pub(super) struct Job {
    /// The draft as a JSON object, which has at least one field.
    pub(super) body: Vec<u8>,
    /// Where the answer goes; nobody may be waiting any more.
    pub(super) answer: oneshot::Sender<Result<Durable, AuditError>>,
    /// Its share of the queue, given back when it has been answered.
    pub(super) room: OwnedSemaphorePermit,
}

/// Everything the writing thread owns.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) directory: PathBuf,
    pub(super) number: u64,
    pub(super) segment: Segment,
    pub(super) tip: Tip,
    /// A segment that has this many bytes is followed by a new one.
    pub(super) rotate_bytes: u64,
    /// Set once the disk's state is unknown; nothing is written afterwards.
    pub(super) poison: Arc<OnceLock<AuditError>>,
}

impl Writer {
    /// Writes what comes until all senders are gone.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut bytes = first.body.len();
            let mut batch = vec![first];
            while bytes < BATCH_BYTES
                && let Ok(job) = jobs.try_recv()
            {
                bytes += job.body.len();
                batch.push(job);
            }
            self.commit(batch);
        }
    }

    /// Makes all records of a batch durable and answers each, or refuses all of them.
    fn commit(&mut self, batch: Vec<Job>) {
        let first = self.tip.sequence + 1;
        let outcome = self.write(&batch);
        for (sequence, job) in (first..).zip(batch) {
            let answer = outcome.as_ref().map(|()| Durable::new(sequence)).map_err(AuditError::clone);
            drop(job.room);
            // The one who asked may have left; the record stands all the same.
            let _left = job.answer.send(answer);
        }
    }

    fn write(&mut self, batch: &[Job]) -> Result<(), AuditError> {
        if let Some(cause) = self.poison.get() {
            return Err(cause.clone());
        }
        let mut lines = Vec::with_capacity(batch.iter().map(|job| job.body.len() + HEAD_BYTES).sum());
        let mut tip = self.tip;
        let now = Timestamp::now();
        for job in batch {
            tip = push(&mut lines, tip, now, &job.body);
        }
        let written = self.rotate().and_then(|()| self.segment.append(&lines));
        match written {
            Ok(()) => {
                self.tip = tip;
                Ok(())
            }
            Err(Failure::Undone(error)) => {
                tracing::error!(%error, "the audit log refused {} records", batch.len());
                Err(error)
            }
            Err(Failure::Unknown(error)) => {
                let error = AuditError::Poisoned(Arc::new(error));
                tracing::error!(%error, "nothing passes any more");
                Err(self.poison.get_or_init(|| error).clone())
            }
        }
    }

    /// Goes on to a new segment if this one is full.
    fn rotate(&mut self) -> Result<(), Failure> {
        if self.segment.length() >= self.rotate_bytes {
            self.segment = Segment::create(&self.directory, self.number + 1)?;
            self.number += 1;
        }
        Ok(())
    }
}

/// Appends one line: the head, then the draft's own fields.
fn push(lines: &mut Vec<u8>, before: Tip, now: Timestamp, body: &[u8]) -> Tip {
    let (start, sequence) = (lines.len(), before.sequence + 1);
    let head = format!(r#"{{"v":1,"sequence":{sequence},"time":"{now}","previous":"{}","#, before.hash);
    lines.extend_from_slice(head.as_bytes());
    lines.extend_from_slice(body.strip_prefix(b"{").unwrap_or(body));
    let hash = Hash::of(lines.get(start..).unwrap_or_default());
    lines.push(b'\n');
    Tip { sequence, hash }
}

/// A batch takes no more records once it has this many bytes.
pub(super) const BATCH_BYTES: usize = 4 << 20;
/// At least what the head of a line takes.
pub(super) const HEAD_BYTES: usize = 192;
