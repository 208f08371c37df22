//! An incremental reader of server-sent events (WHATWG HTML, "Server-sent events").
//!
//! Only `data` matters to us; comments, `event`, `id` and `retry` are passed over. Input may be split anywhere,
//! lines may end in LF, CR or CRLF. What is buffered is bounded by [`LIMIT`].

/// The longest event read, in bytes.
pub const LIMIT: usize = 1 << 20;

/// Reads events from bytes as they arrive.
#[derive(Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    data: Option<String>,
    after_cr: bool,
    started: bool,
}

impl Reader {
    /// Takes the next bytes and adds the data of each event they complete to `events`, in order.
    ///
    /// # Errors
    /// A line is not UTF-8, or an event is longer than [`LIMIT`]; `events` then has what came before.
    pub fn push(&mut self, bytes: &[u8], events: &mut Vec<String>) -> Result<(), SseError> {
        for &byte in bytes {
            let ends_crlf = self.after_cr && byte == b'\n';
            self.after_cr = byte == b'\r';
            match byte {
                _ if ends_crlf => {}
                b'\n' | b'\r' => self.end_line(events)?,
                _ if self.line.len() + self.data.as_ref().map_or(0, String::len) >= LIMIT => {
                    return Err(SseError::TooLong);
                }
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    /// Whether an event has begun and not ended; at the end of a body this means that it was cut.
    pub fn is_amid_event(&self) -> bool {
        self.data.is_some() || !self.line.is_empty()
    }

    fn end_line(&mut self, events: &mut Vec<String>) -> Result<(), SseError> {
        let bytes = std::mem::take(&mut self.line);
        let mut line = std::str::from_utf8(&bytes).map_err(|_| SseError::NotUtf8)?;
        if !std::mem::replace(&mut self.started, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            events.extend(self.data.take());
        } else if let Some(value) = line.strip_prefix("data").filter(|rest| rest.is_empty() || rest.starts_with(':')) {
            let value = value.strip_prefix(':').unwrap_or(value);
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            }
        }
        Ok(())
    }
}

/// A body that is not a stream of events we can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// A line is not UTF-8.
    #[error("an event is not UTF-8")]
    NotUtf8,
    /// An event is longer than [`LIMIT`].
    #[error("an event is longer than {LIMIT} bytes")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::{LIMIT, Reader, SseError};

    const BODY: &str = "\u{feff}: hello\r\ndata: {\"a\":\"é\"}\r\n\r\nevent: x\ndata: one\ndata:two\n\ndata\n\ndata: three\r\rdatax: no\n\ndata: cut";

    #[test]
    fn every_split_reads_the_same() {
        let expected = ["{\"a\":\"é\"}", "one\ntwo", "", "three"];
        for split in 0..=BODY.len() {
            let mut reader = Reader::default();
            let (head, tail) = BODY.as_bytes().split_at(split);
            let mut events = Vec::new();
            reader.push(head, &mut events).unwrap();
            reader.push(tail, &mut events).unwrap();
            assert_eq!(events, expected, "split at {split}");
            assert!(reader.is_amid_event());
        }
        let mut reader = Reader::default();
        let mut events = Vec::new();
        BODY.bytes().for_each(|byte| reader.push(&[byte], &mut events).unwrap());
        assert_eq!(events, expected);
    }

    #[test]
    fn what_came_before_an_error_is_kept() {
        let mut events = Vec::new();
        let error = Reader::default().push(b"data: one\n\ndata: \xff\n\n", &mut events).unwrap_err();
        assert_eq!((error, events.as_slice()), (SseError::NotUtf8, &["one".to_owned()][..]));
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut reader = Reader::default();
        let mut pushed = 0;
        let error = loop {
            match reader.push(&[b'x'; 4096], &mut Vec::new()) {
                Ok(()) => pushed += 4096,
                Err(error) => break error,
            }
            assert!(pushed <= LIMIT);
        };
        assert_eq!(error, SseError::TooLong);
    }
}
