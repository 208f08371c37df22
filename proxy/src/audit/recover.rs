//! Finding the end of a log that was not closed.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use serde::Deserialize;

use super::{
    AuditError, Timestamp,
    disk::{self, MAX_LINE, Segment},
    hash::Hash,
    writer::BATCH_BYTES,
};

/// What the next record continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tip {
    /// The last record's sequence number; 0 in an empty log.
    pub(super) sequence: u64,
    /// The hash of its line.
    pub(super) hash: Hash,
}

/// What the chain needs of a record, whatever its version.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    /// Its place in the log.
    pub(super) sequence: u64,
    /// The hash of the line before, in hexadecimal.
    pub(super) previous: String,
    #[serde(rename = "v")]
    _version: u32,
    #[serde(rename = "time")]
    _time: Timestamp,
}

/// Opens the last segment of a log for appending, or makes the first; gives its number, and what its last record is.
///
/// A crash leaves at most the batch that was being written, none of whose records had been acknowledged: the file may
/// end within a line, and a stretch of it that never reached the disk reads as NUL bytes, which no line holds. From there
/// on the bytes are moved to a file named `.torn` beside it.
pub(super) fn recover(directory: &Path) -> Result<(u64, Segment, Tip), AuditError> {
    let mut segments = disk::segments(directory)?;
    let Some((number, path)) = segments.pop() else {
        let segment = Segment::create(directory, 1).map_err(|failure| match failure {
            disk::Failure::Undone(error) | disk::Failure::Unknown(error) => error,
        })?;
        return Ok((1, segment, Tip { sequence: 0, hash: Hash::NONE }));
    };
    let end = end(&path)?;
    if end.torn > 0 {
        keep_torn(&path, end.sound)?;
        tracing::warn!(
            file = %path.display(),
            bytes = end.torn,
            "the audit log ended in a record that was not finished: its {} bytes were moved to a file named .torn",
            end.torn
        );
    }
    let mut tip = end.tip;
    while let (None, Some((_, earlier))) = (tip, segments.pop()) {
        tip = self::end(&earlier)?.tip;
    }
    let segment = Segment::open(path, end.sound)?;
    Ok((number, segment, tip.unwrap_or(Tip { sequence: 0, hash: Hash::NONE })))
}

#[derive(Debug)]
struct End {
    /// How many bytes of the file are whole records.
    sound: u64,
    /// How many follow them.
    torn: u64,
    /// The last whole record; none if the file has none.
    tip: Option<Tip>,
}

/// Looks at the last [`WINDOW`] bytes of a segment, which hold at least one whole batch.
fn end(path: &Path) -> Result<End, AuditError> {
    let (start, window) = window(path).map_err(AuditError::io("read", path))?;
    let length = start + window.len() as u64;
    let written = window.iter().position(|byte| *byte == 0).unwrap_or(window.len());
    let mut rest = window.get(..written).unwrap_or_default();
    while let Some(line_break) = rest.iter().rposition(|byte| *byte == b'\n') {
        let sound = start + line_break as u64 + 1;
        rest = rest.get(..line_break).unwrap_or_default();
        let line_start = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = rest.get(line_start..).unwrap_or_default();
        if let Ok(head) = serde_json::from_slice::<Head>(line) {
            let tip = Some(Tip { sequence: head.sequence, hash: Hash::of(line) });
            return Ok(End { sound, torn: length - sound, tip });
        }
    }
    if start > 0 {
        return Err(AuditError::Damaged { path: path.to_owned(), window: WINDOW });
    }
    Ok(End { sound: 0, torn: length, tip: None })
}

fn window(path: &Path) -> io::Result<(u64, Vec<u8>)> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(WINDOW);
    file.seek(SeekFrom::Start(start))?;
    let mut window = Vec::new();
    file.take(WINDOW).read_to_end(&mut window)?;
    Ok((start, window))
}

/// Copies what follows the whole records into a file of its own, durably, before it is cut off.
fn keep_torn(path: &Path, sound: u64) -> Result<(), AuditError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{sound}.torn"));
    let torn = Path::new(&name);
    let copy = || {
        let mut from = File::open(path)?;
        from.seek(SeekFrom::Start(sound))?;
        let mut to = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(torn)?;
        io::copy(&mut from, &mut to)?;
        to.sync_all()
    };
    copy().map_err(AuditError::io("write to", torn))?;
    disk::sync_directory(path.parent().unwrap_or(Path::new(".")))
}

/// A batch may end in one record that takes it above its size.
const WINDOW: u64 = (BATCH_BYTES + MAX_LINE) as u64;

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::recover;
    use crate::audit::{
        AuditError, Options,
        disk::tests::Scratch,
        log::tests::append_all,
        record::tests::{draft, short_draft},
        verify,
    };

    fn write_three(directory: &Path) -> Vec<u8> {
        append_all(directory, Options::default(), &["one", "two", "three"].map(short_draft)).unwrap();
        fs::read(directory.join("audit-000001.jsonl")).unwrap()
    }

    #[test]
    fn a_log_cut_at_any_byte_loses_only_the_record_that_was_cut() {
        let scratch = Scratch::in_memory();
        let log = write_three(&scratch);
        let path = scratch.join("audit-000001.jsonl");
        for length in 0..=log.len() {
            fs::write(&path, &log[..length]).unwrap();
            let whole = log[..length].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            let records = log[..length].split(|b| *b == b'\n').count() - 1;
            let (_, segment, tip) = recover(&scratch).unwrap();
            assert_eq!((segment.length(), tip.sequence), (whole as u64, records as u64), "cut at {length}");
            assert_eq!(fs::read(&path).unwrap(), log[..whole]);
            let torn = scratch.join(format!("audit-000001.jsonl.{whole}.torn"));
            if whole < length {
                assert_eq!(fs::read(&torn).unwrap(), log[whole..length]);
                fs::remove_file(torn).unwrap();
            } else {
                assert!(!torn.exists());
            }
        }
    }

    #[test]
    fn the_log_continues_after_a_cut_and_its_chain_holds() {
        let scratch = Scratch::new();
        let log = write_three(&scratch);
        fs::write(scratch.join("audit-000001.jsonl"), &log[..log.len() - 1]).unwrap();
        append_all(&scratch, Options::default(), &[draft("three again"), draft("four")]).unwrap();
        assert_eq!(verify(&scratch).unwrap().last, 4);
    }

    #[test]
    fn a_stretch_that_never_reached_the_disk_is_torn_with_all_that_follows() {
        let scratch = Scratch::new();
        let mut log = write_three(&scratch);
        let second = log.iter().position(|b| *b == b'\n').unwrap() + 1;
        log[second + 5..second + 20].fill(0);
        fs::write(scratch.join("audit-000001.jsonl"), &log).unwrap();
        let (_, segment, tip) = recover(&scratch).unwrap();
        assert_eq!((segment.length(), tip.sequence), (second as u64, 1));
    }

    #[test]
    fn an_empty_last_segment_continues_the_one_before() {
        let scratch = Scratch::new();
        write_three(&scratch);
        fs::write(scratch.join("audit-000002.jsonl"), "").unwrap();
        let (number, _, tip) = recover(&scratch).unwrap();
        assert_eq!((number, tip.sequence), (2, 3));
    }

    #[test]
    fn a_large_file_without_records_is_not_cut() {
        let scratch = Scratch::in_memory();
        let path = scratch.join("audit-000001.jsonl");
        fs::File::create(&path).unwrap().set_len(super::WINDOW + 1).unwrap();
        assert!(matches!(recover(&scratch), Err(AuditError::Damaged { .. })));
        assert_eq!(fs::metadata(&path).unwrap().len(), super::WINDOW + 1);
    }
}
