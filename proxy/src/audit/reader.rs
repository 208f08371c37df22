//! Reading a log, also while it is written.

use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    AuditError, Record,
    disk::{self, MAX_LINE},
};

/// All lines of the log in this directory, from the first.
///
/// # Errors
/// The directory cannot be read.
pub fn read(directory: &Path) -> Result<Lines, AuditError> {
    disk::segments(directory)?;
    Ok(Lines { directory: directory.to_owned(), number: 0, open: None, skip: 0 })
}

/// The last `count` lines of the log in this directory, as it is now; then those that are written later.
///
/// # Errors
/// The directory or one of its files cannot be read.
pub fn last(directory: &Path, count: u64) -> Result<Lines, AuditError> {
    let mut lines = read(directory)?;
    let mut wanted = count;
    for (number, path) in disk::segments(directory)?.into_iter().rev() {
        let has = count_lines(&path).map_err(AuditError::io("read", &path))?;
        lines.number = number.saturating_sub(1);
        lines.skip = has.saturating_sub(wanted);
        wanted = wanted.saturating_sub(has);
        if wanted == 0 {
            break;
        }
    }
    Ok(lines)
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The segment file.
    pub path: Arc<Path>,
    /// Its number in the file, from 1.
    pub number: u64,
    /// The line without its line break.
    pub text: String,
}

impl Line {
    /// The record the line holds.
    ///
    /// # Errors
    /// It holds none.
    pub fn record(&self) -> Result<Record, Unreadable> {
        serde_json::from_str(&self.text).map_err(|error| self.unreadable(&error))
    }

    pub(super) fn unreadable(&self, why: &dyn fmt::Display) -> Unreadable {
        Unreadable { path: Arc::clone(&self.path), line: self.number, why: why.to_string() }
    }
}

/// A line that holds no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{line}: {why}", path = path.display())]
pub struct Unreadable {
    /// The segment file.
    pub path: Arc<Path>,
    /// The line's number in the file, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
}

/// The lines of a log in order, read one at a time.
///
/// `None` says that there are no more at present: asked again later, it gives those that came since. A line without its
/// line break is still being written, and not given, unless a later segment shows that it never will be.
#[derive(Debug)]
pub struct Lines {
    directory: PathBuf,
    /// The number of the segment that is open, or was last.
    number: u64,
    open: Option<Open>,
    /// Lines of the next segment to pass over.
    skip: u64,
}

impl Iterator for Lines {
    type Item = Result<Line, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(open) = &mut self.open else {
                match self.next_segment()? {
                    Ok(()) => continue,
                    Err(unreadable) => return Some(Err(unreadable)),
                }
            };
            match open.next_line() {
                Ok(Some(_)) if self.skip > 0 => self.skip -= 1,
                Ok(Some(line)) => return Some(line),
                Err(error) => {
                    let unreadable = open.unreadable(&error);
                    self.open = None;
                    return Some(Err(unreadable));
                }
                // A later segment is made only after the last line of this one: one more look, then on to it.
                Ok(None) if open.is_complete => {
                    let unfinished = open.unfinished();
                    self.open = None;
                    if let Some(unreadable) = unfinished {
                        return Some(Err(unreadable));
                    }
                }
                Ok(None) => {
                    let segments = disk::segments(&self.directory).unwrap_or_default();
                    open.is_complete = segments.iter().any(|(number, _)| *number > self.number);
                    if !open.is_complete {
                        return None;
                    }
                }
            }
        }
    }
}

impl Lines {
    /// Opens the segment that follows; none if there is none yet.
    fn next_segment(&mut self) -> Option<Result<(), Unreadable>> {
        let segments = disk::segments(&self.directory).unwrap_or_default();
        let (number, path) = segments.into_iter().find(|(number, _)| *number > self.number)?;
        self.number = number;
        let path: Arc<Path> = path.into();
        Some(match File::open(&path) {
            Ok(file) => {
                let reader = BufReader::with_capacity(1 << 16, file);
                self.open = Some(Open { path, reader, offset: 0, line: 0, buffer: Vec::new(), is_complete: false });
                Ok(())
            }
            Err(error) => Err(Unreadable { path, line: 0, why: error.to_string() }),
        })
    }
}

#[derive(Debug)]
struct Open {
    path: Arc<Path>,
    reader: BufReader<File>,
    /// Where the next line begins.
    offset: u64,
    /// How many lines came before it.
    line: u64,
    buffer: Vec<u8>,
    /// Whether nothing will be written to it any more.
    is_complete: bool,
}

impl Open {
    /// The next whole line; none if there is none yet.
    fn next_line(&mut self) -> io::Result<Option<Result<Line, Unreadable>>> {
        self.buffer.clear();
        let read = self.reader.by_ref().take(MAX_LINE as u64).read_until(b'\n', &mut self.buffer)?;
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
            self.offset += read as u64;
            self.line += 1;
            let text = std::str::from_utf8(&self.buffer).map(str::to_owned);
            return Ok(Some(match text {
                Ok(text) => Ok(Line { path: Arc::clone(&self.path), number: self.line, text }),
                Err(error) => Err(self.unreadable(&error)),
            }));
        }
        if read == MAX_LINE {
            self.offset += read as u64 + skip_line(&mut self.reader)?;
            self.line += 1;
            return Ok(Some(Err(self.unreadable(&"the line is too long"))));
        }
        // The end. The writer may have cut the file back since it was read.
        self.offset = self.offset.min(self.reader.get_ref().metadata()?.len());
        self.reader.seek(SeekFrom::Start(self.offset))?;
        Ok(None)
    }

    /// What stands after the last line break of a file that is complete.
    fn unfinished(&mut self) -> Option<Unreadable> {
        self.line += 1;
        (!self.buffer.is_empty()).then(|| self.unreadable(&"the line has no end"))
    }

    fn unreadable(&self, why: &dyn fmt::Display) -> Unreadable {
        Unreadable { path: Arc::clone(&self.path), line: self.line, why: why.to_string() }
    }
}

/// Reads to the end of the line without keeping it; says how many bytes that was.
fn skip_line(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let chunk = reader.fill_buf()?;
        let line_break = chunk.iter().position(|byte| *byte == b'\n');
        let taken = line_break.map_or(chunk.len(), |at| at + 1);
        reader.consume(taken);
        skipped += taken as u64;
        if line_break.is_some() || taken == 0 {
            return Ok(skipped);
        }
    }
}

fn count_lines(path: &Path) -> io::Result<u64> {
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path)?);
    let mut lines = 0;
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok(lines);
        }
        lines += chunk.split(|byte| *byte == b'\n').count() as u64 - 1;
        let taken = chunk.len();
        reader.consume(taken);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::{Lines, MAX_LINE, last, read};
    use crate::audit::disk::tests::Scratch;

    fn log(files: &[&str]) -> Scratch {
        let scratch = Scratch::new();
        for (number, text) in (1..).zip(files) {
            fs::write(scratch.join(format!("audit-{number:06}.jsonl")), text).unwrap();
        }
        scratch
    }

    /// Lines as `file:line text`; an unreadable one as `file:line!`.
    fn texts(lines: &mut Lines) -> Vec<String> {
        lines
            .map(|line| {
                let (path, number, text) = match line {
                    Ok(line) => (line.path, line.number, format!(" {}", line.text)),
                    Err(unreadable) => (unreadable.path, unreadable.line, "!".to_owned()),
                };
                let file = path.file_stem().unwrap().to_string_lossy().replace("audit-00000", "");
                format!("{file}:{number}{text}")
            })
            .collect()
    }

    #[test]
    fn lines_come_in_order_and_the_last_ones_keep_their_numbers() {
        let log = log(&["a\nb\n", "", "c\nd\n"]);
        assert_eq!(texts(&mut read(&log).unwrap()), ["1:1 a", "1:2 b", "3:1 c", "3:2 d"]);
        assert_eq!(texts(&mut last(&log, 1).unwrap()), ["3:2 d"]);
        assert_eq!(texts(&mut last(&log, 3).unwrap()), ["1:2 b", "3:1 c", "3:2 d"]);
        assert_eq!(texts(&mut last(&log, 9).unwrap()).len(), 4);
        assert_eq!(texts(&mut last(&log, 0).unwrap()).len(), 0);
    }

    #[test]
    fn a_line_being_written_is_given_once_it_is_whole() {
        let log = log(&["a\nb"]);
        let mut lines = last(&log, 0).unwrap();
        assert_eq!(texts(&mut lines).len(), 0);
        let mut file = fs::OpenOptions::new().append(true).open(log.join("audit-000001.jsonl")).unwrap();
        file.write_all(b"c\nd").unwrap();
        assert_eq!(texts(&mut lines), ["1:2 bc"]);
        file.set_len(2).unwrap();
        assert_eq!(texts(&mut lines).len(), 0);
        file.write_all(b"e\n").unwrap();
        fs::write(log.join("audit-000002.jsonl"), "f\n").unwrap();
        assert_eq!(texts(&mut lines), ["1:3 e", "2:1 f"]);
    }

    #[test]
    fn what_is_no_line_is_named_and_passed_over() {
        let log = log(&["a\n", "c\n"]);
        let mut bytes = b"a\n\xff\n".to_vec();
        bytes.extend(vec![b'x'; MAX_LINE + 70_000]);
        bytes.extend(b"\nb\nno end");
        fs::write(log.join("audit-000001.jsonl"), bytes).unwrap();
        assert_eq!(texts(&mut read(&log).unwrap()), ["1:1 a", "1:2!", "1:3!", "1:4 b", "1:5!", "2:1 c"]);
    }
}
