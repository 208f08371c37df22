//! `ringfence scan`: code and secrets in files, without a server.
//!
//! Exit codes: 0 when nothing was found, 1 with findings, 2 when something could not be read; what could be is reported.

mod finding;
mod lines;
mod report;
mod walk;

use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use code_shield::Language;

use self::finding::{Finding, Scanner};

/// The arguments of `ringfence scan`.
#[derive(Debug, Clone, Args)]
pub struct ScanArgs {
    /// Read the code as this language [default: by the file's name, or by the content]
    #[arg(long, value_name = "LANGUAGE", value_parser = language)]
    language: Option<Language>,
    /// How to show the findings
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Read `{"id","code","language"?}` per line and answer each with a line of findings
    #[arg(long, conflicts_with = "format")]
    jsonl: bool,
    /// Files and folders, or `-` for the standard input
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: one JSON object
    Json,
    /// For code hosts and editors: SARIF 2.1.0
    Sarif,
    /// For programs: one JSON object a finding
    Jsonl,
}

/// Runs the command: findings go to the standard output, what could not be read to the error stream.
///
/// # Errors
/// When the rules do not load or the output cannot be written.
pub fn run(args: ScanArgs) -> anyhow::Result<ExitCode> {
    let scanner = Scanner::new()?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut warn = |line: String| eprintln!("ringfence scan: {line}");
    let ScanArgs { language, format, jsonl, paths } = args;
    let outcome = if jsonl {
        run_lines(&paths, language, &scanner, &mut out, &mut warn)?
    } else {
        run_paths(&paths, language, format, &scanner, &mut out, &mut warn)?
    };
    out.flush()?;
    Ok(ExitCode::from(outcome.code()))
}

/// What a run came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Outcome {
    found: bool,
    failed: bool,
}

impl Outcome {
    fn code(self) -> u8 {
        match self {
            Outcome { failed: true, .. } => 2,
            Outcome { found: true, .. } => 1,
            Outcome { .. } => 0,
        }
    }
}

fn run_lines(
    paths: &[PathBuf],
    language: Option<Language>,
    scanner: &Scanner,
    out: &mut dyn Write,
    warn: &mut dyn FnMut(String),
) -> anyhow::Result<Outcome> {
    let path = match paths {
        [] => Path::new("-"),
        [path] => path,
        [..] => anyhow::bail!("`--jsonl` reads one file; concatenate them, or run once for each"),
    };
    if path == Path::new("-") {
        return lines::run("<stdin>", &mut io::stdin().lock(), language, scanner, out, warn);
    }
    match std::fs::File::open(path) {
        Ok(file) => {
            let name = path.display().to_string();
            lines::run(&name, &mut io::BufReader::new(file), language, scanner, out, warn)
        }
        Err(error) => {
            warn(format!("`{}` cannot be read: {error}", path.display()));
            Ok(Outcome { failed: true, ..Outcome::default() })
        }
    }
}

fn run_paths(
    paths: &[PathBuf],
    language: Option<Language>,
    format: Format,
    scanner: &Scanner,
    out: &mut dyn Write,
    warn: &mut dyn FnMut(String),
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    if paths.is_empty() {
        warn("name a file or a folder, or `-` for the standard input".to_owned());
        return Ok(Outcome { failed: true, ..outcome });
    }
    let mut findings: Vec<(String, Finding)> = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            match read(&mut io::stdin().lock()) {
                Ok(text) => add(&mut findings, "<stdin>", scanner.text(&text, language)),
                Err(error) => {
                    warn(format!("the standard input cannot be read: {error}"));
                    outcome.failed = true;
                }
            }
            continue;
        }
        for (file, named) in walk::files(path, &mut |line| {
            warn(line);
            outcome.failed = true;
        }) {
            let name = file.display().to_string();
            match std::fs::File::open(&file).and_then(|mut file| read(&mut file)) {
                // A binary file in a folder is no text; one that was named is read all the same.
                Ok(text) if !named && text.contains('\0') => {}
                Ok(text) => add(&mut findings, &name, scanner.file(&file, &text, language, named)),
                Err(error) => {
                    warn(format!("`{name}` cannot be read: {error}"));
                    outcome.failed = true;
                }
            }
        }
    }
    outcome.found = !findings.is_empty();
    report::write(format, &findings, out)?;
    Ok(outcome)
}

fn add(findings: &mut Vec<(String, Finding)>, name: &str, new: Vec<Finding>) {
    findings.extend(new.into_iter().map(|finding| (name.to_owned(), finding)));
}

/// The text of a file; bytes that are not UTF-8 become U+FFFD, so that code in another encoding is still read.
fn read(from: &mut dyn Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("it is longer than {} MiB", MAX_FILE >> 20)));
    }
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn language(tag: &str) -> Result<Language, String> {
    Language::from_tag(tag).ok_or_else(|| {
        let mut names: Vec<_> = Language::ALL.iter().map(|language| language.name()).collect();
        names.dedup();
        format!("`{tag}` is not a language we read; these are: {}", names.join(", "))
    })
}

/// Bytes of one file.
const MAX_FILE: u64 = 32 << 20;

#[cfg(test)]
mod tests;
