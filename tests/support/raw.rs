//! A client that sends bytes as they are written in a document, and reads one answer after the other.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use crate::client::{Answer, parse};

/// Turns what a document writes into bytes: `\r`, `\n`, `\t`, `\0`, `\xNN`, `{9*a}`, and the given words in braces.
pub fn bytes(text: &str, words: &[(&str, &str)]) -> Vec<u8> {
    let mut text = text.to_owned();
    while let Some((start, count)) = repeat(&text) {
        let end = start + text[start..].find('}').unwrap();
        let what = text[start..end].split_once('*').unwrap().1.repeat(count);
        text.replace_range(start..=end, &what);
    }
    for (word, value) in words {
        text = text.replace(&format!("{{{word}}}"), value);
    }
    let (mut bytes, mut rest) = (Vec::new(), text.as_str());
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at + 1..];
        let (byte, length) = match escape.as_bytes()[0] {
            b'r' => (b'\r', 1),
            b'n' => (b'\n', 1),
            b't' => (b'\t', 1),
            b'0' => (0, 1),
            b'x' => (u8::from_str_radix(&escape[1..3], 16).unwrap(), 3),
            other => panic!("no escape `\\{}`", char::from(other)),
        };
        bytes.push(byte);
        rest = &escape[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// Where the first `{9*` begins, and its number.
fn repeat(text: &str) -> Option<(usize, usize)> {
    text.match_indices('{').find_map(|(at, _)| {
        let (count, _) = text[at + 1..].split_once('*')?;
        Some((at, count.parse().ok()?))
    })
}

/// What came next on a connection.
#[derive(Debug)]
pub enum Next {
    /// A whole answer.
    Answer(Answer),
    /// The end; with what was left over.
    End(Vec<u8>),
    /// Nothing in time.
    Silence,
}

/// A connection.
pub struct Raw {
    stream: TcpStream,
    come: Vec<u8>,
}

impl Raw {
    /// Connects; reading waits at most so long.
    pub fn connect(address: SocketAddr, wait: Duration) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(wait)).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { stream, come: Vec::new() }
    }

    /// Sends bytes in pieces of a size, all at once for 0. The other side may refuse before it has read everything.
    pub fn send(&mut self, bytes: &[u8], piece: usize) {
        for piece in bytes.chunks(if piece == 0 { bytes.len().max(1) } else { piece }) {
            if self.stream.write_all(piece).is_err() {
                return;
            }
        }
    }

    /// Says that nothing more will be sent.
    pub fn end(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next whole answer; interim ones are left out.
    pub fn read(&mut self) -> Next {
        loop {
            if let Some(length) = whole(&self.come) {
                let answer: Vec<u8> = self.come.drain(..length).collect();
                let answer = parse(&answer);
                if answer.status != 100 {
                    return Next::Answer(answer);
                }
                continue;
            }
            let mut piece = [0; 64 << 10];
            match self.stream.read(&mut piece) {
                Ok(0) => return Next::End(std::mem::take(&mut self.come)),
                Ok(count) => self.come.extend_from_slice(&piece[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Next::Silence;
                }
                Err(_) => return Next::End(std::mem::take(&mut self.come)),
            }
        }
    }
}

/// The length of the answer that the bytes begin with, if it is all there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let answer = parse(&bytes[..head]);
    if answer.header("transfer-encoding").is_some() {
        let end = bytes[head..].windows(7).position(|seven| seven == b"\r\n0\r\n\r\n")?;
        return Some(head + end + 7);
    }
    let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
    (bytes.len() >= head + length).then_some(head + length)
}
