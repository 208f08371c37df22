//! The encoder's vectors of all samples, computed once and kept on disk.

use crate::Failure;
use guard_model::Role;
use guard_model::encoder::Encoder;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Instant;

/// Most pieces in one batch, padding included.
const BATCH_PIECES: usize = 1024;

/// Vectors by text.
pub(crate) struct Features {
    rows: HashMap<u64, Vec<f32>>,
}

impl Features {
    /// Reads the cache at `path`, computes what is missing of `texts`, and writes it back as it goes, so that a run
    /// that was stopped continues.
    pub(crate) fn compute(path: &str, encoder: &Encoder, texts: &[(Role, &str)]) -> Result<Self, Failure> {
        let width = encoder.features();
        let mut rows = read(path, width).unwrap_or_default();
        let mut missing: Vec<(u64, Vec<u32>)> = Vec::new();
        for (role, text) in texts {
            let key = key(*role, text);
            if !rows.contains_key(&key) {
                missing.push((key, guard_model::framed(encoder, *role, text)));
            }
        }
        missing.sort_by_key(|(key, ids)| (ids.len(), *key));
        missing.dedup_by_key(|(key, _)| *key);
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        let started = Instant::now();
        let (mut done, all) = (0_usize, missing.iter().map(|(_, ids)| ids.len()).sum::<usize>());
        eprintln!("features: {} windows of {} pieces to compute", missing.len(), all);
        let batches = batches(&missing, BATCH_PIECES, |(_, ids)| ids.len() + 2);
        let next = AtomicUsize::new(0);
        // The encoder's small steps run on one thread each, so two batches side by side use the machine better.
        std::thread::scope(|scope| -> Result<(), Failure> {
            let (send, vectors) = sync_channel::<Result<Vec<(u64, usize, Vec<f32>)>, guard_model::GuardError>>(4);
            for _ in 0..std::thread::available_parallelism()?.get() {
                let (send, batches, next) = (send.clone(), &batches, &next);
                scope.spawn(move || {
                    while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let windows: Vec<&[u32]> = batch.iter().map(|(_, ids)| ids.as_slice()).collect();
                        let named = |vectors: Vec<Vec<f32>>| {
                            batch.iter().zip(vectors).map(|((key, ids), vector)| (*key, ids.len(), vector)).collect()
                        };
                        if send.send(encoder.encode(&windows).map(named)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(send);
            let mut reported = Instant::now();
            for batch in vectors {
                for (key, pieces, vector) in batch? {
                    file.write_all(&key.to_le_bytes())?;
                    for value in &vector {
                        file.write_all(&value.to_le_bytes())?;
                    }
                    rows.insert(key, vector);
                    done += pieces;
                }
                if reported.elapsed().as_secs() >= 10 {
                    reported = Instant::now();
                    let rate = done as f64 / started.elapsed().as_secs_f64();
                    eprintln!("features: {:.0} % at {rate:.0} pieces/s", 100.0 * done as f64 / all as f64);
                }
            }
            Ok(())
        })?;
        Ok(Self { rows })
    }

    /// The vector of a text.
    pub(crate) fn of(&self, role: Role, text: &str) -> Result<&[f32], Failure> {
        Ok(self.rows.get(&key(role, text)).ok_or("a text has no features")?)
    }
}

/// Cuts what is sorted by length into batches of about `pieces` pieces, padding included.
pub(crate) fn batches<T>(sorted: &[T], pieces: usize, length: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut batches = Vec::new();
    let mut rest = sorted;
    while let Some(first) = rest.first() {
        let mut take = (pieces / length(first).max(1)).clamp(1, rest.len());
        while take > 1 && rest.get(take - 1).is_some_and(|last| length(last) * take > pieces * 5 / 4) {
            take -= 1;
        }
        let (batch, left) = rest.split_at(take);
        batches.push(batch);
        rest = left;
    }
    batches
}

fn read(path: &str, width: usize) -> Option<HashMap<u64, Vec<f32>>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.read_to_end(&mut bytes).ok()?;
    let mut rows = HashMap::new();
    for record in bytes.chunks_exact(8 + width * 4) {
        let (key, values) = record.split_at(8);
        let values = values.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        rows.insert(u64::from_le_bytes(key.try_into().ok()?), values);
    }
    Some(rows)
}

/// The frame differs between what asks (a person) and what tells (an answer, a document).
fn key(role: Role, text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (guard_model::frame(role), text).hash(&mut hasher);
    hasher.finish()
}
