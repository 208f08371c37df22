//! The promises of the log, kept on a real disk, and on devices that fail.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{AuditLog, Durable, Options};
use crate::audit::{
    AuditError, Content, Record, RecordDraft,
    disk::{
        self, Segment,
        tests::{Scratch, on_device},
    },
    hash::Hash,
    read,
    record::tests::draft,
    recover::Tip,
    verify,
    writer::Writer,
};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

/// Opens a log, appends the drafts one after the other, and closes it.
pub(in super::super) fn append_all(
    directory: &Path,
    options: Options,
    drafts: &[RecordDraft],
) -> Result<(), AuditError> {
    let log = AuditLog::open(directory, options)?;
    runtime().block_on(async {
        for draft in drafts {
            let _durable = log.append(draft, soon()).await?;
        }
        Ok(())
    })
}

/// A log whose segment is a device.
fn log_on(device: &str, scratch: &Scratch) -> AuditLog {
    let writer = Writer {
        directory: scratch.to_path_buf(),
        number: 1,
        segment: on_device(device),
        tip: Tip { sequence: 0, hash: Hash::NONE },
        rotate_bytes: 1 << 20,
        poison: Arc::default(),
    };
    AuditLog::start(writer, 1 << 20, disk::lock(scratch).unwrap()).unwrap()
}

fn records(directory: &Path) -> Vec<Record> {
    read(directory).unwrap().map(|line| line.unwrap().record().unwrap()).collect()
}

#[test]
fn many_appenders_get_dense_numbers_each_its_own_in_its_own_order() {
    const APPENDERS: usize = 64;
    const EACH: usize = 20;
    let scratch = Scratch::new();
    let log = Arc::new(AuditLog::open(&*scratch, Options::default()).unwrap());
    let runtime = runtime();
    let appenders: Vec<_> = (0..APPENDERS)
        .map(|appender| {
            let log = Arc::clone(&log);
            runtime.spawn(async move {
                let mut numbers = Vec::new();
                for nth in 0..EACH {
                    let durable = log.append(&draft(&format!("{appender} {nth}")), soon()).await.unwrap();
                    numbers.push((durable.sequence(), format!("{appender} {nth}")));
                }
                numbers
            })
        })
        .collect();
    let mut acknowledged: Vec<_> =
        appenders.into_iter().flat_map(|appender| runtime.block_on(appender).unwrap()).collect();
    for own in acknowledged.chunks(EACH) {
        assert!(own.is_sorted());
    }
    acknowledged.sort();
    let on_disk: Vec<_> = records(&scratch)
        .into_iter()
        .map(|record| (record.sequence, record.draft.content.unwrap().text().unwrap().to_owned()))
        .collect();
    assert_eq!(on_disk, acknowledged);
    assert!(on_disk.iter().map(|(sequence, _)| *sequence).eq(1..=(APPENDERS * EACH) as u64));
    assert_eq!(verify(&scratch).unwrap().records, (APPENDERS * EACH) as u64);
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let scratch = Scratch::new();
    let first = AuditLog::open(&*scratch, Options::default()).unwrap();
    assert!(matches!(AuditLog::open(&*scratch, Options::default()), Err(AuditError::Locked(_))));
    drop(first);
    AuditLog::open(&*scratch, Options::default()).unwrap();
}

#[test]
fn full_segments_are_followed_by_new_ones_also_after_a_restart() {
    let scratch = Scratch::new();
    let options = Options { rotate_bytes: 1500, ..Options::default() };
    append_all(&scratch, options, &vec![draft("before"); 5]).unwrap();
    append_all(&scratch, options, &vec![draft("after"); 5]).unwrap();
    let segments = disk::segments(&scratch).unwrap();
    assert_eq!(segments.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(segments.iter().all(|(_, path)| fs::metadata(path).unwrap().len() > 0));
    let chain = verify(&scratch).unwrap();
    assert_eq!((chain.first, chain.last, chain.records), (1, 10, 10));
}

#[test]
fn a_failed_sync_ends_the_log_with_its_first_cause() {
    let scratch = Scratch::new();
    let log = log_on("/dev/null", &scratch);
    runtime().block_on(async {
        let first = log.append(&draft("x"), soon()).await.unwrap_err().to_string();
        assert!(first.contains("cannot sync `/dev/null`"), "{first}");
        assert_eq!(log.append(&draft("y"), soon()).await.unwrap_err().to_string(), first);
        assert_eq!(log.health().unwrap_err().to_string(), first);
    });
}

#[test]
fn a_write_that_cannot_be_undone_ends_the_log() {
    let scratch = Scratch::new();
    let log = log_on("/dev/full", &scratch);
    let error = runtime().block_on(log.append(&draft("x"), soon())).unwrap_err();
    assert!(matches!(error, AuditError::Poisoned(_)) && error.to_string().contains("os error 28"), "{error}");
}

/// Plays two parts. Started by the test runner it starts itself again in a process whose files may not grow above
/// 4 KiB; there the disk seems full, until that process lifts its own limit.
#[test]
fn a_full_disk_refuses_a_record_whole_and_takes_the_next_one_when_there_is_room() {
    let limit = fs::read_to_string("/proc/self/limits").unwrap();
    let limit = limit.lines().find_map(|line| line.strip_prefix("Max file size")).unwrap();
    if limit.trim_start().starts_with("unlimited") {
        let name = "audit::log::tests::a_full_disk_refuses_a_record_whole_and_takes_the_next_one_when_there_is_room";
        let output = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec prlimit --fsize=4096:unlimited \"$0\" --exact \"$1\" --nocapture"])
            .arg(std::env::current_exe().unwrap())
            .arg(name)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("the disk was full"), "{output:?}");
        return;
    }
    let scratch = Scratch::new();
    let log = AuditLog::open(&*scratch, Options::default()).unwrap();
    let path = scratch.join("audit-000001.jsonl");
    runtime().block_on(async {
        let _durable = log.append(&draft("small"), soon()).await.unwrap();
        let durable = fs::read(&path).unwrap();
        for _ in 0..2 {
            let error = log.append(&draft(&"x".repeat(5000)), soon()).await.unwrap_err();
            assert!(matches!(error, AuditError::Io { action: "write to", .. }), "{error}");
            assert_eq!(fs::read(&path).unwrap(), durable, "half a record was left behind");
        }
        assert_eq!(log.append(&draft("small too"), soon()).await.unwrap().sequence(), 2);
        let own = std::process::id().to_string();
        assert!(Command::new("prlimit").args(["--pid", &own, "--fsize=unlimited"]).status().unwrap().success());
        assert_eq!(log.append(&draft(&"x".repeat(5000)), soon()).await.unwrap().sequence(), 3);
    });
    drop(log);
    assert_eq!(verify(&scratch).unwrap().records, 3);
    println!("the disk was full");
}

#[test]
fn a_full_queue_makes_appenders_wait_until_their_deadline() {
    let scratch = Scratch::new();
    // Nobody empties this queue, so the second record finds it full.
    let (jobs, waiting) = std::sync::mpsc::channel();
    let log = AuditLog {
        jobs: Some(jobs),
        thread: None,
        room: Arc::new(tokio::sync::Semaphore::new(1024)),
        queue_bytes: 1024,
        poison: Arc::default(),
        _lock: disk::lock(&scratch).unwrap(),
    };
    runtime().block_on(async {
        for _ in 0..2 {
            let start = Instant::now();
            let error = log.append(&draft("x"), start + Duration::from_millis(30)).await.unwrap_err();
            assert!(matches!(error, AuditError::Late));
            assert!(start.elapsed() >= Duration::from_millis(30));
        }
        assert_eq!(waiting.try_iter().count(), 1, "the second record was never queued");
    });
}

#[test]
fn a_record_longer_than_the_queue_is_written_and_one_longer_than_a_line_is_not() {
    let scratch = Scratch::new();
    let options = Options { queue_bytes: 2048, ..Options::default() };
    let log = AuditLog::open(&*scratch, options).unwrap();
    runtime().block_on(async {
        let _: Durable = log.append(&draft(&"x".repeat(10_000)), soon()).await.unwrap();
        let error = log.append(&draft(&"x".repeat(disk::MAX_LINE)), soon()).await.unwrap_err();
        assert!(matches!(error, AuditError::TooLong { .. }));
    });
}

#[test]
fn dropping_the_log_writes_what_is_queued_even_when_nobody_waits() {
    let scratch = Scratch::new();
    let log = AuditLog::open(&*scratch, Options::default()).unwrap();
    runtime().block_on(async {
        for length in [1, 1, 8 << 20] {
            // Polled once: queued, then given up. The last one keeps the writer busy for a while.
            let text = draft(&"x".repeat(length));
            let mut append = Box::pin(log.append(&text, soon()));
            let _pending = futures_util::poll!(append.as_mut());
        }
    });
    drop(log);
    assert_eq!(records(&scratch).len(), 3);
}

#[test]
fn deceiving_characters_are_escaped_on_disk() {
    let scratch = Scratch::new();
    let mut record = draft("a\u{202e}b\u{e0041}\u{9b}");
    record.model = Some("m\u{200b}".into());
    append_all(&scratch, Options::default(), std::slice::from_ref(&record)).unwrap();
    let text = fs::read_to_string(scratch.join("audit-000001.jsonl")).unwrap();
    assert!(text.contains(r"a\u202eb\udb40\udc41\u009b") && text.contains(r"m\u200b"), "{text}");
    let kept = records(&scratch).remove(0).draft;
    assert_eq!(kept.content, Some(Content::Redacted("a\u{202e}b\u{e0041}\u{9b}".into())));
    assert_eq!(kept, record);
}

#[test]
fn a_segment_that_cannot_be_made_refuses_and_is_tried_again() {
    let scratch = Scratch::new();
    let log = AuditLog::open(&*scratch, Options { rotate_bytes: 1, ..Options::default() }).unwrap();
    let in_the_way = scratch.join("audit-000002.jsonl");
    runtime().block_on(async {
        let _durable = log.append(&draft("one"), soon()).await.unwrap();
        drop(Segment::create(&scratch, 2).unwrap());
        assert!(matches!(log.append(&draft("two"), soon()).await, Err(AuditError::Io { action: "create", .. })));
        fs::remove_file(&in_the_way).unwrap();
        assert_eq!(log.append(&draft("two"), soon()).await.unwrap().sequence(), 2);
    });
}
