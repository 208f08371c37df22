//! The end of a chunked body, and what a chunk must look like.

use super::violation::Violation;

/// All extensions of a body together; nobody here reads one.
const MOST_EXTENSION: usize = 1024;
/// Chunks that may be of any size, before they must have [`FEWEST_BYTES`] on average: each costs the reader far more than a byte.
const FREE_CHUNKS: u64 = 4096;
const FEWEST_BYTES: u64 = 16;

/// A chunked body, as far as it was read.
#[derive(Debug)]
pub(super) struct Chunks {
    at: At,
    /// Of the size: its digits; of the data: what is left.
    size: u64,
    digits: u32,
    extension: usize,
    total: u64,
    count: u64,
    limit: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Size,
    Extension,
    SizeEnd,
    Data,
    DataCr,
    DataEnd,
    LastCr,
    LastEnd,
    Done,
}

impl Chunks {
    /// A body of at most so many bytes.
    pub(super) fn new(limit: u64) -> Self {
        Self { at: At::Size, size: 0, digits: 0, extension: 0, total: 0, count: 0, limit }
    }

    /// Whether the body has ended.
    pub(super) fn done(&self) -> bool {
        self.at == At::Done
    }

    /// Reads on; says how many bytes belong to the body, up to the first that breaks a rule, and which it breaks.
    pub(super) fn feed(&mut self, input: &[u8]) -> (usize, Option<Violation>) {
        let mut read = 0;
        while let Some(rest @ [b, ..]) = input.get(read..) {
            if self.done() {
                break;
            }
            if self.at == At::Data {
                let some = usize::try_from(self.size).unwrap_or(usize::MAX).min(rest.len());
                self.size -= some as u64;
                read += some;
                if self.size == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            match self.byte(*b) {
                Ok(at) => self.at = at,
                Err(violation) => return (read, Some(violation)),
            }
            read += 1;
        }
        (read, None)
    }

    fn byte(&mut self, b: u8) -> Result<At, Violation> {
        match (self.at, b) {
            (At::Size, b'\r') if self.digits > 0 => Ok(At::SizeEnd),
            (At::Size, b';') if self.digits > 0 => Ok(At::Extension),
            (At::Size, b'\n') if self.digits > 0 => Err(Violation::BareLf),
            (At::Size, b) => self.digit(b),
            (At::Extension, b'\r') => Ok(At::SizeEnd),
            (At::Extension | At::LastCr, b'\n') => Err(Violation::BareLf),
            (At::Extension, b) => {
                self.extension += 1;
                let text = b == b'\t' || (b >= b' ' && b != 0x7f);
                if text && self.extension <= MOST_EXTENSION {
                    Ok(At::Extension)
                } else {
                    Err(Violation::ChunkExtension)
                }
            }
            (At::SizeEnd, b'\n') => self.sized(),
            (At::DataCr, b'\r') => Ok(At::DataEnd),
            (At::DataEnd, b'\n') => {
                (self.size, self.digits) = (0, 0);
                Ok(At::Size)
            }
            (At::DataCr | At::DataEnd | At::Data, _) => Err(Violation::ChunkEnd),
            (At::LastCr, b'\r') => Ok(At::LastEnd),
            (At::LastCr, _) => Err(Violation::Trailers),
            (At::LastEnd, b'\n') | (At::Done, _) => Ok(At::Done),
            (At::SizeEnd | At::LastEnd, _) => Err(Violation::BareCr),
        }
    }

    fn digit(&mut self, b: u8) -> Result<At, Violation> {
        let digit = char::from(b).to_digit(16).ok_or(Violation::ChunkSize)?;
        self.digits += 1;
        if self.digits > 16 {
            return Err(Violation::ChunkSize);
        }
        self.size = (self.size << 4) | u64::from(digit);
        Ok(At::Size)
    }

    fn sized(&mut self) -> Result<At, Violation> {
        if self.size == 0 {
            return Ok(At::LastCr);
        }
        self.total = self.total.checked_add(self.size).ok_or(Violation::BodyLength)?;
        self.count += 1;
        if self.total > self.limit {
            return Err(Violation::BodyLength);
        }
        if self.count > FREE_CHUNKS + self.total / FEWEST_BYTES {
            return Err(Violation::ChunkCount);
        }
        Ok(At::Data)
    }
}

#[cfg(test)]
mod tests {
    use super::{Chunks, Violation};

    fn read(body: &[u8]) -> (usize, Option<Violation>, bool) {
        let mut chunks = Chunks::new(100);
        let (read, violation) = chunks.feed(body);
        (read, violation, chunks.done())
    }

    #[test]
    fn a_body_ends_where_its_last_chunk_does() {
        assert_eq!(read(b"5\r\nhello\r\n0\r\n\r\nGET"), (15, None, true));
        assert_eq!(read(b"000A;a=\"b\"\r\n0123456789\r\n00\r\n\r\n"), (30, None, true));
        assert_eq!(read(b"5\r\nhel"), (6, None, false));
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_refused() {
        for (body, wrong) in [
            (&b"5\nhello"[..], Violation::BareLf),
            (b"5;a\nhello", Violation::BareLf),
            (b"5\rhello", Violation::BareCr),
            (b"5 \r\nhello", Violation::ChunkSize),
            (b" 5\r\nhello", Violation::ChunkSize),
            (b"+5\r\nhello", Violation::ChunkSize),
            (b"-5\r\nhello", Violation::ChunkSize),
            (b"0x5\r\nhello", Violation::ChunkSize),
            (b"\r\nhello", Violation::ChunkSize),
            (b"00000000000000005\r\nhello", Violation::ChunkSize),
            (b"ffffffffffffffff\r\n", Violation::BodyLength),
            (b"65\r\n", Violation::BodyLength),
            (b"5\r\nhello!\r\n", Violation::ChunkEnd),
            (b"5\r\nhello\n0\r\n", Violation::ChunkEnd),
            (b"5\r\nhello\rX", Violation::ChunkEnd),
            (b"5;a\0\r\nhello", Violation::ChunkExtension),
            (b"0\r\nX-After: 1\r\n\r\n", Violation::Trailers),
            (b"0\r\n\n", Violation::BareLf),
            (b"0\r\n\rX", Violation::BareCr),
        ] {
            assert_eq!(read(body).1, Some(wrong), "{}", body.escape_ascii());
        }
        assert_eq!(read(&[b"5;".as_slice(), &[b'a'; 1025]].concat()).1, Some(Violation::ChunkExtension));
    }

    #[test]
    fn a_body_is_not_cut_into_crumbs() {
        let mut chunks = Chunks::new(1 << 20);
        let crumbs = b"1\r\nx\r\n".repeat(5000);
        assert_eq!(chunks.feed(&crumbs).1, Some(Violation::ChunkCount));
        let mut chunks = Chunks::new(1 << 20);
        let pieces = b"10\r\n0123456789abcdef\r\n".repeat(20_000);
        assert_eq!(chunks.feed(&pieces), (pieces.len(), None));
    }
}
