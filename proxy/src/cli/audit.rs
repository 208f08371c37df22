//! `ringfence audit`: reading the audit log.

mod filter;
mod text;

use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use self::filter::Filter;
use crate::audit::{self, AuditError, ChainError, Line, Lines, Record, visible, visible_json};

/// The arguments of `ringfence audit`.
#[derive(Debug, Clone, Args)]
pub struct AuditArgs {
    /// The directory of the log [default: the one `serve` writes]
    #[arg(long = "audit", value_name = "DIR", global = true)]
    directory: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Show the newest records
    Tail(Tail),
    /// Show the records that all the given options match
    Search {
        #[command(flatten)]
        filter: Box<Filter>,
        /// How to show them
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show all records of one exchange, or one record, in full
    Show {
        /// The id in `x-ringfence-decision`, or a record's sequence number
        #[arg(value_name = "EXCHANGE|SEQ", value_parser = Subject::parse)]
        subject: Subject,
        /// How to show them
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Check that every record follows from the one before it
    Verify,
}

#[derive(Debug, Clone, Args)]
struct Tail {
    /// How many of the newest lines to look at
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    lines: u64,
    /// Go on with the records that are written from now on
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    filter: Filter,
    /// How to show them
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// The lines of the log, for programs
    Json,
}

#[derive(Debug, Clone, Copy)]
enum Subject {
    Exchange(Uuid),
    Sequence(u64),
}

impl Subject {
    fn parse(text: &str) -> Result<Self, String> {
        let sequence = text.parse().map(Self::Sequence);
        sequence.or_else(|_| Uuid::parse_str(text).map(Self::Exchange)).map_err(|_| {
            "give an exchange's id, such as `0192f0c1-9d7e-7cc0-8a59-0242ac120002`, or a record's number".to_owned()
        })
    }
}

/// Why `ringfence audit` gave up.
#[derive(Debug, thiserror::Error)]
pub enum AuditCommandError {
    /// There is no directory to read.
    #[error("name the audit log's directory with `--audit DIR`: neither `XDG_STATE_HOME` nor `HOME` is set")]
    NoDirectory,
    /// The log could not be read.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The chain of the log is broken.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The output could not be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

/// Runs the command, with the directory that `serve` writes by default; gives the exit code: 0 when something was found
/// (or the chain is whole), 1 when nothing was. Lines that hold no record are named on `warnings` and passed over.
///
/// # Errors
/// The log cannot be read or the output not written (exit code 2), or the chain is broken. A reader of the output that
/// goes away is no error.
pub fn run(
    args: &AuditArgs,
    default: Option<&Path>,
    out: &mut dyn Write,
    warnings: &mut dyn Write,
) -> Result<u8, AuditCommandError> {
    let directory = args.directory.as_deref().or(default).ok_or(AuditCommandError::NoDirectory)?;
    let mut page = Page { out, warnings, found: 0 };
    let outcome = match &args.command {
        Command::Tail(args) => tail(&mut page, directory, args),
        Command::Search { filter, format } => search(&mut page, directory, filter, *format),
        Command::Show { subject, format } => show(&mut page, directory, *subject, *format),
        Command::Verify => verify(&mut page, directory),
    };
    match outcome.and_then(|()| Ok(page.out.flush()?)) {
        Err(AuditCommandError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        Err(error) => Err(error),
        Ok(()) => Ok(u8::from(page.found == 0)),
    }
}

fn tail(page: &mut Page<'_>, directory: &Path, args: &Tail) -> Result<(), AuditCommandError> {
    let mut lines = audit::last(directory, args.lines)?;
    loop {
        page.each(&mut lines, |page, line, record| {
            if args.filter.matches(record) {
                page.brief(line, record, args.format)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        page.out.flush()?;
        if !args.follow {
            return Ok(());
        }
        thread::sleep(POLL);
    }
}

fn search(page: &mut Page<'_>, directory: &Path, filter: &Filter, format: Format) -> Result<(), AuditCommandError> {
    page.each(&mut audit::read(directory)?, |page, line, record| {
        if filter.matches(record) {
            page.brief(line, record, format)?;
        }
        Ok(ControlFlow::Continue(()))
    })
}

fn show(page: &mut Page<'_>, directory: &Path, subject: Subject, format: Format) -> Result<(), AuditCommandError> {
    page.each(&mut audit::read(directory)?, |page, line, record| {
        match subject {
            Subject::Exchange(exchange) if record.draft.exchange == exchange => page.full(line, record, format)?,
            Subject::Sequence(sequence) if record.sequence == sequence => {
                page.full(line, record, format)?;
                return Ok(ControlFlow::Break(()));
            }
            Subject::Exchange(_) | Subject::Sequence(_) => {}
        }
        Ok(ControlFlow::Continue(()))
    })
}

fn verify(page: &mut Page<'_>, directory: &Path) -> Result<(), AuditCommandError> {
    let chain = audit::verify(directory)?;
    page.found = chain.records;
    if chain.records == 0 {
        writeln!(page.out, "the log is empty")?;
        return Ok(());
    }
    writeln!(page.out, "{} records, {} to {}, follow from one another", chain.records, chain.first, chain.last)?;
    writeln!(page.out, "hash of the last: {}", chain.head)?;
    writeln!(
        page.out,
        "(keep it elsewhere: a log cut at its end, or written anew, is whole but ends in another hash)"
    )?;
    Ok(())
}

/// Where records are shown, and how many have been.
struct Page<'a> {
    out: &'a mut dyn Write,
    warnings: &'a mut dyn Write,
    found: u64,
}

impl Page<'_> {
    /// Hands each record to `take` until it breaks off; names the lines that hold none.
    fn each(
        &mut self,
        lines: &mut Lines,
        mut take: impl FnMut(&mut Self, &Line, &Record) -> io::Result<ControlFlow<()>>,
    ) -> Result<(), AuditCommandError> {
        for line in lines {
            let unreadable = match line.and_then(|line| Ok((line.record()?, line))) {
                Ok((record, line)) => match take(self, &line, &record)? {
                    ControlFlow::Continue(()) => continue,
                    ControlFlow::Break(()) => return Ok(()),
                },
                Err(unreadable) => unreadable,
            };
            writeln!(self.warnings, "unreadable record at {}", visible(&unreadable.to_string()))?;
        }
        Ok(())
    }

    fn brief(&mut self, line: &Line, record: &Record, format: Format) -> io::Result<()> {
        self.found += 1;
        match format {
            Format::Json => writeln!(self.out, "{}", visible_json(&line.text)),
            Format::Text => text::brief(self.out, record),
        }
    }

    fn full(&mut self, line: &Line, record: &Record, format: Format) -> io::Result<()> {
        self.found += 1;
        match format {
            Format::Json => writeln!(self.out, "{}", visible_json(&line.text)),
            Format::Text => text::full(self.out, record),
        }
    }
}

/// How often a followed log is looked at.
const POLL: Duration = Duration::from_millis(200);

#[cfg(test)]
#[path = "audit/tests.rs"]
mod tests;
