//! The command on logs that a real writer wrote.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    time::{Duration, Instant},
};

use clap::Parser;
use policies::{Action, Stage};
use uuid::Uuid;

use super::{AuditArgs, AuditCommandError, run};
use crate::audit::{AuditLog, Content, Event, Options, RecordDraft, Scratch, draft};

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    audit: AuditArgs,
}

/// The exit code, and what was written to the output and as warnings.
fn audit(directory: &Path, args: &[&str]) -> (u8, String, String) {
    let args = Program::try_parse_from(["audit"].iter().chain(args)).unwrap().audit;
    let (mut out, mut warnings) = (Vec::new(), Vec::new());
    let code = run(&args, Some(directory), &mut out, &mut warnings).unwrap();
    (code, String::from_utf8(out).unwrap(), String::from_utf8(warnings).unwrap())
}

fn append(directory: &Path, drafts: &[RecordDraft]) {
    let log = AuditLog::open(directory, Options { rotate_bytes: 1500, ..Options::default() }).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for draft in drafts {
        let _durable = runtime.block_on(log.append(draft, Instant::now() + Duration::from_mins(1))).unwrap();
    }
}

/// 1 blocked prompt, 2 allowed answer, 3 hashed answer of another tenant, 4 refused route.
fn log() -> Scratch {
    let scratch = Scratch::new();
    let blocked = draft("How to \u{1b}[2Jbreak\nTHINGS");
    let mut allowed = draft("an answer");
    allowed.decision = Action::Allow;
    allowed.stage = Some(Stage::Output);
    allowed.reasons.clear();
    allowed.exchange = Uuid::from_u128(8);
    allowed.choice = Some(1);
    let mut hashed = allowed.clone();
    hashed.content = Some(Content::hashed("break"));
    hashed.tenant = "other\n2026 #9 block".into();
    hashed.model = Some("mistral".into());
    let mut refused = draft("");
    refused.event = Event::RouteRefused;
    refused.note = Some("no dialect owns `/admin`".into());
    (refused.stage, refused.content, refused.status) = (None, None, Some(404));
    refused.reasons.clear();
    append(&scratch, &[blocked, allowed, hashed, refused]);
    scratch
}

#[test]
fn search_shows_the_records_all_options_match() {
    let log = log();
    let id = Uuid::from_u128(8).to_string();
    for (args, expected) in [
        (&[][..], &[1, 2, 3, 4][..]),
        (&["--tenant", "acme"], &[1, 2, 4]),
        (&["--decision", "block"], &[1, 4]),
        (&["--decision", "flag"], &[]),
        (&["--rule", "unsafe"], &[1]),
        (&["--rule", "default/unsafe"], &[1]),
        (&["--rule", "strict/unsafe"], &[]),
        (&["--finding", "guard"], &[1]),
        (&["--finding", "guard.S2"], &[]),
        (&["--model", "mistral"], &[3]),
        (&["--stage", "output"], &[2, 3]),
        (&["--event", "route-refused"], &[4]),
        (&["--exchange", &id], &[2, 3]),
        (&["--text", "things"], &[1]),
        (&["--text", "/ADMIN"], &[4]),
        (&["--since", "1h"], &[1, 2, 3, 4]),
        (&["--until", "1h"], &[]),
        (&["--since", "2200-01-01T00:00:00Z"], &[]),
        (&["--stage", "output", "--tenant", "acme"], &[2]),
    ] {
        let (code, out, warnings) = audit(&log, &[&["search", "--format", "json"], args].concat());
        let found: Vec<_> = out
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["sequence"].as_u64().unwrap())
            .collect();
        assert_eq!(found, expected, "{args:?}");
        assert_eq!(code, u8::from(expected.is_empty()), "{args:?}");
        assert_eq!(warnings, "");
    }
}

#[test]
fn json_output_is_the_lines_of_the_log() {
    let log = log();
    let mut files: Vec<_> = fs::read_dir(&*log).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let on_disk: String =
        files.iter().filter(|path| !path.ends_with("lock")).map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(audit(&log, &["search", "--format", "json"]).1, on_disk);
}

#[test]
fn text_from_outside_neither_moves_the_cursor_nor_makes_lines() {
    let log = log();
    let (_, brief, _) = audit(&log, &["search"]);
    assert_eq!(brief.lines().count(), 4);
    assert!(brief.lines().all(|line| line.starts_with("20") && line.contains(" #")));
    let (_, full, _) = audit(&log, &["show", "1"]);
    assert!(full.contains("  | How to \\u{1b}[2Jbreak\n  | THINGS\n"), "{full}");
    assert!(!(brief + &full).contains('\u{1b}'));
}

#[test]
fn show_gives_an_exchange_in_order_with_its_reasons_or_one_record() {
    let log = log();
    let (code, out, _) = audit(&log, &["show", &Uuid::from_u128(7).to_string()]);
    assert_eq!(code, 0);
    let (first, second) = out.split_once("\n\n").unwrap();
    assert!(first.contains("#1  input user messages[0].content segment 0  block"), "{out}");
    assert!(first.contains("because   default/unsafe asks to block: guard.S1 error 0.97 at 0..4: violence"), "{out}");
    assert!(first.contains("took      3100 µs, guard 3000 µs"), "{out}");
    assert!(second.contains("#4  route-refused  block") && second.contains("status    404"), "{out}");
    let (_, third, _) = audit(&log, &["show", "3"]);
    assert!(third.contains("#3  output user choice 1") && third.contains("5 bytes with SHA-256 "), "{third}");
    assert_eq!(audit(&log, &["show", "5"]).0, 1);
    assert!(Program::try_parse_from(["audit", "show", "yesterday"]).is_err());
}

#[test]
fn tail_shows_the_last_lines() {
    let log = log();
    let (code, out, _) = audit(&log, &["tail", "-n", "2"]);
    assert_eq!((code, out.lines().count()), (0, 2));
    assert!(out.contains("#3 ") && out.contains("#4 "), "{out}");
    assert_eq!(audit(&log, &["tail", "-n", "0"]).0, 1);
}

#[test]
fn tail_follow_shows_what_comes_until_its_reader_leaves() {
    /// Takes one record, has another written, and leaves at the third.
    struct Reader<'a>(&'a Path, String);
    impl Write for Reader<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.1.lines().count() == 2 && self.1.ends_with('\n') {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.1 += std::str::from_utf8(bytes).unwrap();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            append(self.0, &[draft("later")]);
            Ok(())
        }
    }
    let log = log();
    let args = Program::try_parse_from(["audit", "tail", "--follow", "-n", "1"]).unwrap().audit;
    let mut reader = Reader(&log, String::new());
    assert_eq!(run(&args, Some(&log), &mut reader, &mut Vec::new()).unwrap(), 0);
    assert!(reader.1.contains("#4 ") && reader.1.contains("#5 "), "{}", reader.1);
}

#[test]
fn unreadable_lines_are_named_and_passed_over() {
    let log = log();
    let path = log.join("audit-000001.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{{\"v\":1}}\n{text}")).unwrap();
    let (code, out, warnings) = audit(&log, &["search"]);
    assert_eq!((code, out.lines().count(), warnings.lines().count()), (0, 4, 1));
    assert!(warnings.contains("audit-000001.jsonl:1: missing field"), "{warnings}");
}

#[test]
fn verify_counts_a_sound_log_and_names_the_line_of_a_broken_one() {
    let log = log();
    let (code, out, _) = audit(&log, &["verify"]);
    assert!(code == 0 && out.starts_with("4 records, 1 to 4, follow from one another\n"), "{out}");
    let path = log.join("audit-000001.jsonl");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("acme", "evil")).unwrap();
    let args = Program::try_parse_from(["audit", "verify"]).unwrap().audit;
    let error = run(&args, Some(&log), &mut Vec::new(), &mut Vec::new()).unwrap_err();
    assert!(matches!(error, AuditCommandError::Chain(_)) && error.to_string().contains(".jsonl:"), "{error}");
}

#[test]
fn without_a_directory_one_sentence_says_what_to_do() {
    let args = Program::try_parse_from(["audit", "verify"]).unwrap().audit;
    let error = run(&args, None, &mut Vec::new(), &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("`--audit DIR`"), "{error}");
    let absent = run(&args, Some(Path::new("/nowhere")), &mut Vec::new(), &mut Vec::new()).unwrap_err().to_string();
    assert!(absent.contains("`/nowhere`"), "{absent}");
}
