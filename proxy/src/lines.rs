//! An incremental reader of lines of JSON (NDJSON), split anywhere. What is buffered is bounded by [`LIMIT`].

/// The longest line read, in bytes.
pub const LIMIT: usize = 1 << 20;

/// Reads lines from bytes as they arrive.
#[derive(Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
}

impl Reader {
    /// Takes the next bytes and adds each line they complete to `lines`, in order.
    ///
    /// # Errors
    /// A line is not UTF-8, or longer than [`LIMIT`]; `lines` then has what came before.
    pub fn push(&mut self, bytes: &[u8], lines: &mut Vec<String>) -> Result<(), LinesError> {
        for &byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                lines.push(String::from_utf8(line).map_err(|_| LinesError::NotUtf8)?);
            } else if self.line.len() >= LIMIT {
                return Err(LinesError::TooLong);
            } else {
                self.line.push(byte);
            }
        }
        Ok(())
    }

    /// Whether a line has begun and not ended; at the end of a body this means that it was cut.
    pub fn is_amid_line(&self) -> bool {
        self.line.iter().any(|byte| !byte.is_ascii_whitespace())
    }
}

/// A body that is not lines we can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinesError {
    /// A line is not UTF-8.
    #[error("a line is not UTF-8")]
    NotUtf8,
    /// A line is longer than [`LIMIT`].
    #[error("a line is longer than {LIMIT} bytes")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::{LIMIT, LinesError, Reader};

    #[test]
    fn every_split_reads_the_same() {
        let body = "{\"a\":\"é\"}\r\n\n{}\n{\"cut\"";
        for split in 0..=body.len() {
            let (head, tail) = body.as_bytes().split_at(split);
            let (mut reader, mut lines) = (Reader::default(), Vec::new());
            reader.push(head, &mut lines).unwrap();
            reader.push(tail, &mut lines).unwrap();
            assert_eq!(lines, ["{\"a\":\"é\"}\r", "", "{}"], "split at {split}");
            assert!(reader.is_amid_line());
        }
    }

    #[test]
    fn what_cannot_be_held_is_an_error() {
        assert_eq!(Reader::default().push(b"\xff\n", &mut Vec::new()), Err(LinesError::NotUtf8));
        let mut reader = Reader::default();
        assert_eq!(reader.push(&vec![b'x'; LIMIT + 1], &mut Vec::new()), Err(LinesError::TooLong));
        assert_eq!(reader.line.len(), LIMIT);
    }
}
