//! HTTP/1 in front of hyper: which bytes it may see.

use std::sync::Arc;

use super::{
    Rules,
    chunks::Chunks,
    fields::{Framing, Head},
    violation::{Fault, Violation, Within},
};

/// The method of the head that stands for one that was refused. No client can send it: it is none of the methods that pass.
pub(super) const REFUSED: &str = "REFUSED";
/// The head itself. It closes the connection.
pub(super) const STAND_IN: &[u8] = b"REFUSED / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

const LONGEST_LINE: usize = 8 << 10;
const LONGEST_HEAD: usize = 24 << 10;

/// A reader of what a client sends over one connection: heads are held until they are whole and beyond doubt, bodies pass.
#[derive(Debug)]
pub(super) struct Reader {
    rules: Arc<Rules>,
    at: At,
    /// The head so far.
    held: Vec<u8>,
    /// Where its current line begins.
    line: usize,
    head: Head,
    /// Whether an empty line was skipped before this head: some old clients send one after a body.
    skipped: bool,
    marks: u64,
}

#[derive(Debug)]
enum At {
    Head,
    Length(u64),
    Chunked(Chunks),
    /// What comes now is for nobody.
    Over,
}

impl Reader {
    /// A reader at the beginning of a connection.
    pub(super) fn new(rules: Arc<Rules>) -> Self {
        Self { rules, at: At::Head, held: Vec::new(), line: 0, head: Head::default(), skipped: false, marks: 0 }
    }

    /// Reads on, and adds what may pass to `out`. After a fault nothing passes any more.
    pub(super) fn feed(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        while !input.is_empty() {
            let read = match &mut self.at {
                At::Head => match self.head(input) {
                    Ok((read, whole)) => {
                        if whole && out.is_empty() {
                            *out = std::mem::take(&mut self.held);
                        } else if whole {
                            out.append(&mut std::mem::take(&mut self.held));
                        }
                        read
                    }
                    Err(violation) => return Err(self.fail(violation)),
                },
                At::Length(left) => {
                    let some = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    *left -= some as u64;
                    out.extend_from_slice(input.get(..some).unwrap_or_default());
                    if *left == 0 {
                        self.next();
                    }
                    some
                }
                At::Chunked(chunks) => {
                    let (read, violation) = chunks.feed(input);
                    out.extend_from_slice(input.get(..read).unwrap_or_default());
                    let done = chunks.done();
                    if let Some(violation) = violation {
                        return Err(self.fail(violation));
                    }
                    if done {
                        self.next();
                    }
                    read
                }
                At::Over => return Ok(()),
            };
            input = input.get(read..).unwrap_or_default();
        }
        Ok(())
    }

    /// The client sends no more. A body that is cut is hyper's to notice.
    pub(super) fn end(&mut self) -> Option<Fault> {
        (self.within() == Within::Head).then(|| self.fail(Violation::HeadCut))
    }

    /// Nothing passes any more.
    pub(super) fn fail(&mut self, violation: Violation) -> Fault {
        let within = if matches!(self.at, At::Head) { Within::Head } else { Within::Body };
        self.at = At::Over;
        self.held = Vec::new();
        Fault { violation, path: std::mem::take(&mut self.head.path), within }
    }

    /// Changes when a head begins, when it ends, and when its body does.
    pub(super) fn marks(&self) -> u64 {
        self.marks
    }

    /// What the client is in the middle of.
    pub(super) fn within(&self) -> Within {
        match self.at {
            At::Head if self.held.is_empty() => Within::Pause,
            At::Head => Within::Head,
            At::Length(_) | At::Chunked(_) => Within::Body,
            At::Over => Within::Pause,
        }
    }

    /// Reads of a head; says how much of the input, and whether that was its end.
    fn head(&mut self, input: &[u8]) -> Result<(usize, bool), Violation> {
        if self.held.is_empty() {
            self.marks += 1;
        }
        for (index, b) in input.iter().enumerate() {
            let length = self.held.len() - self.line;
            if *b == b'\n' {
                if self.held.last() != Some(&b'\r') || length == 0 {
                    return Err(Violation::BareLf);
                }
                if self.held.len() >= LONGEST_HEAD {
                    return Err(Violation::HeadLength);
                }
                self.held.push(b'\n');
                if self.line()? {
                    return Ok((index + 1, true));
                }
                continue;
            }
            if length > 0 && self.held.last() == Some(&b'\r') {
                return Err(Violation::BareCr);
            }
            if (*b < b' ' && !matches!(b, b'\t' | b'\r')) || *b == 0x7f {
                return Err(Violation::Control);
            }
            if self.line == 0 && length >= LONGEST_LINE {
                return Err(Violation::TargetLength);
            }
            if self.held.len() >= LONGEST_HEAD {
                return Err(Violation::HeadLength);
            }
            self.held.push(*b);
        }
        Ok((input.len(), false))
    }

    /// Reads the line that has just come to its end; says whether the head has.
    fn line(&mut self) -> Result<bool, Violation> {
        let line = self.held.get(self.line..self.held.len().saturating_sub(2)).unwrap_or_default();
        match (self.line == 0, line.is_empty()) {
            (true, true) if self.skipped => return Err(Violation::RequestLine),
            (true, true) => {
                self.skipped = true;
                self.held.clear();
                return Ok(false);
            }
            (true, false) => self.head.first(line)?,
            (false, false) => self.head.field(line, &self.rules)?,
            (false, true) => {
                self.at = match self.head.end()? {
                    Framing::Length(length) => At::Length(length),
                    Framing::Chunked => At::Chunked(Chunks::new(self.rules.body_bytes)),
                };
                if matches!(self.at, At::Length(0)) {
                    self.next();
                }
                self.line = 0;
                self.marks += 1;
                return Ok(true);
            }
        }
        self.line = self.held.len();
        Ok(false)
    }

    /// A request is over; what follows is another, or nothing.
    fn next(&mut self) {
        let last = std::mem::take(&mut self.head).last;
        self.at = if last { At::Over } else { At::Head };
        self.skipped = false;
        self.marks += 1;
    }
}

#[cfg(test)]
mod tests;
