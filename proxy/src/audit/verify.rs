//! Checking that the lines of a log follow from one another.

use std::path::Path;

use super::{
    AuditError, Unreadable,
    hash::Hash,
    read,
    recover::{Head, Tip},
};

/// Checks every line of the log in this directory against the line before it. Needs nothing but the files.
///
/// *Limits:* see the module; besides, records cut off at the end leave a sound chain, so keep [`Chain::head`] elsewhere
/// and compare.
///
/// # Errors
/// The first line that does not follow, or a directory that cannot be read.
pub fn verify(directory: &Path) -> Result<Chain, ChainError> {
    let mut chain = Chain { records: 0, first: 0, last: 0, head: Hash::NONE.to_string() };
    let mut tip = None;
    for line in read(directory)? {
        let line = line?;
        let head = serde_json::from_str::<Head>(&line.text).map_err(|error| line.unreadable(&error))?;
        if let Some(problem) = problem(tip, &head) {
            return Err(ChainError::Broken { path: line.path.display().to_string(), line: line.number, problem });
        }
        let hash = Hash::of(line.text.as_bytes());
        chain.first = if chain.records == 0 { head.sequence } else { chain.first };
        chain = Chain { records: chain.records + 1, last: head.sequence, head: hash.to_string(), ..chain };
        tip = Some(Tip { sequence: head.sequence, hash });
    }
    Ok(chain)
}

/// What a sound log holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// How many records.
    pub records: u64,
    /// The first one's sequence number; above 1 when older segments were taken away. 0 in an empty log.
    pub first: u64,
    /// The last one's sequence number.
    pub last: u64,
    /// The SHA-256 of the last line, in hexadecimal.
    pub head: String,
}

/// Where a chain breaks.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A line does not follow the one before it.
    #[error("{path}:{line}: {problem}")]
    Broken {
        /// The segment file.
        path: String,
        /// The line's number in it, from 1.
        line: u64,
        /// How it breaks the chain.
        problem: Problem,
    },
    /// A line holds no record.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The log could not be read.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

/// How a line breaks the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Records were removed, added or moved.
    #[error("sequence {found} where {expected} should be: records were removed, added or moved here")]
    Sequence {
        /// What the line before asks for.
        expected: u64,
        /// What the line says.
        found: u64,
    },
    /// The line before was changed, or this line's own `previous`.
    #[error("`previous` is not the hash of the line before: that line or this one was changed")]
    Previous,
}

fn problem(before: Option<Tip>, head: &Head) -> Option<Problem> {
    let before = match before {
        Some(tip) => tip,
        None if head.sequence == 1 => Tip { sequence: 0, hash: Hash::NONE },
        // Older segments were taken away: what came before cannot be checked.
        None => return None,
    };
    let expected = before.sequence + 1;
    if head.sequence != expected {
        return Some(Problem::Sequence { expected, found: head.sequence });
    }
    (head.previous != before.hash.to_string()).then_some(Problem::Previous)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{ChainError, Problem, verify};
    use crate::audit::{Options, disk::tests::Scratch, log::tests::append_all, record::tests::short_draft};

    fn log() -> (Scratch, Vec<u8>) {
        let scratch = Scratch::new();
        append_all(&scratch, Options::default(), &["one", "two", "three", "four"].map(short_draft)).unwrap();
        let bytes = fs::read(scratch.join("audit-000001.jsonl")).unwrap();
        (scratch, bytes)
    }

    #[test]
    fn any_flipped_bit_before_the_last_line_is_found_at_its_line_or_the_next() {
        let (scratch, log) = log();
        let last_line = log[..log.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
        for at in 0..last_line {
            let mut changed = log.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(scratch.join("audit-000001.jsonl"), &changed).unwrap();
            let line = log[..at].split(|byte| *byte == b'\n').count() as u64;
            let found = match verify(&scratch).expect_err("the change went unseen") {
                ChainError::Broken { line, .. } => line,
                ChainError::Unreadable(unreadable) => unreadable.line,
                ChainError::Audit(error) => panic!("{error}"),
            };
            assert!(found == line || found == line + 1, "byte {at} of line {line} was found at {found}");
        }
        fs::write(scratch.join("audit-000001.jsonl"), &log).unwrap();
        assert_eq!(verify(&scratch).unwrap().records, 4);
    }

    #[test]
    fn removed_moved_and_doubled_lines_are_found() {
        let (scratch, log) = log();
        let lines: Vec<_> = log.split_inclusive(|byte| *byte == b'\n').collect();
        for order in [&[0, 2, 3][..], &[0, 2, 1, 3], &[0, 1, 1, 2, 3]] {
            let changed: Vec<u8> = order.iter().flat_map(|nth| lines[*nth].to_vec()).collect();
            fs::write(scratch.join("audit-000001.jsonl"), changed).unwrap();
            let error = verify(&scratch).unwrap_err();
            assert!(matches!(error, ChainError::Broken { problem: Problem::Sequence { .. }, .. }), "{error}");
        }
    }

    #[test]
    fn a_log_whose_oldest_part_was_taken_away_says_where_it_begins() {
        let (scratch, log) = log();
        let first = log.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        fs::write(scratch.join("audit-000001.jsonl"), &log[first..]).unwrap();
        let chain = verify(&scratch).unwrap();
        assert_eq!((chain.first, chain.last, chain.records), (2, 4, 3));
    }
}
