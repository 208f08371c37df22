//! HTTP/2 by hand: frames from a short notation, and what came back in the same words.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const KINDS: [&str; 10] =
    ["DATA", "HEADERS", "PRIORITY", "RESET", "SETTINGS", "PUSH", "PING", "GOAWAY", "WINDOW", "CONTINUATION"];
const FLAGS: [(&str, u8); 6] = [("END", 1), ("ACK", 1), ("WHOLE", 4), ("PADDED", 8), ("DEPENDS", 32), ("ODD", 0x40)];
const CODES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

/// The bytes of frames, written one behind the other with `;` between them; `bytes` and what follows stand for themselves.
///
/// A frame is its kind, its stream, its flags and its payload: `name=value` is a field, literal and not indexed, `x00ff` bytes,
/// `x00*9` nine times that, `'text'` text without spaces. A `5*` before a frame repeats it; `+` as the stream counts up by two.
pub fn frames(text: &str) -> Vec<u8> {
    let mut all = Vec::new();
    let mut next = 1;
    for frame in text.split(';').map(str::trim).filter(|frame| !frame.is_empty()) {
        let (times, frame) = match frame.split_once("* ") {
            Some((times, frame)) if times.bytes().all(|b| b.is_ascii_digit()) => (times.parse().unwrap(), frame),
            _ => (1, frame),
        };
        for _ in 0..times {
            all.extend(one(frame, &mut next));
        }
    }
    all
}

fn one(text: &str, next: &mut u32) -> Vec<u8> {
    let mut words = text.split_ascii_whitespace();
    let kind = words.next().unwrap();
    if kind == "bytes" {
        return words.flat_map(payload).collect();
    }
    let kind = match kind.strip_prefix("TYPE") {
        Some(kind) => u8::from_str_radix(kind, 16).unwrap(),
        None => KINDS.iter().position(|known| *known == kind).unwrap_or_else(|| panic!("no frame `{kind}`")) as u8,
    };
    let stream = match words.next().unwrap() {
        "+" => {
            *next += 2;
            *next - 2
        }
        stream => stream.parse().unwrap(),
    };
    let (mut flags, mut bytes) = (0, Vec::new());
    for word in words {
        match FLAGS.iter().find(|(name, _)| *name == word) {
            Some((_, flag)) => flags |= flag,
            None => bytes.extend(payload(word)),
        }
    }
    let mut frame = (bytes.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(u32::to_be_bytes(stream));
    frame.extend(bytes);
    frame
}

fn payload(word: &str) -> Vec<u8> {
    if let Some(text) = word.strip_prefix('\'') {
        return text.trim_end_matches('\'').as_bytes().to_vec();
    }
    if let Some(at) = word.get(1..).and_then(|rest| rest.find('=')) {
        return field(&word[..at + 1], &word[at + 2..]);
    }
    let word = word.strip_prefix('x').unwrap_or_else(|| panic!("no payload `{word}`"));
    let (digits, times) = word.split_once('*').map_or((word, 1), |(word, times)| (word, times.parse().unwrap()));
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
    bytes.repeat(times)
}

/// A field as HPACK writes it without an index and without Huffman's code; `%20` and the like stand for bytes.
fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(b) = rest.next() {
            let hex: Vec<u8> = if b == b'%' { rest.by_ref().take(2).collect() } else { Vec::new() };
            let hex = std::str::from_utf8(&hex).unwrap();
            bytes.push(if b == b'%' { u8::from_str_radix(hex, 16).unwrap() } else { b });
        }
        // An integer with a prefix of seven bits.
        let mut out = vec![bytes.len().min(127) as u8];
        if let Some(mut rest) = bytes.len().checked_sub(127) {
            while rest >= 128 {
                out.push((rest % 128 + 128) as u8);
                rest /= 128;
            }
            out.push(rest as u8);
        }
        out.extend(bytes);
        out
    };
    [vec![0], text(name), text(value)].concat()
}

/// A connection.
pub struct Client {
    stream: TcpStream,
    come: Vec<u8>,
    /// The bodies that came, by stream.
    pub bodies: HashMap<u32, String>,
    /// Whether it answers pings, as it must.
    pub answers: bool,
}

impl Client {
    /// Connects, and says who it is unless told not to; reading waits at most so long.
    pub fn connect(address: SocketAddr, wait: Duration) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(wait)).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { stream, come: Vec::new(), bodies: HashMap::new(), answers: true }
    }

    /// Sends what the notation says, behind the preface and settings unless it begins with `!`.
    pub fn send(&mut self, text: &str) {
        let bytes = match text.strip_prefix('!') {
            Some(text) => frames(text),
            None => [PREFACE.to_vec(), frames("SETTINGS 0"), frames(text)].concat(),
        };
        let _ = self.stream.write_all(&bytes);
    }

    /// Sends more.
    pub fn more(&mut self, text: &str) {
        let _ = self.stream.write_all(&frames(text));
    }

    /// Says that nothing more will be sent.
    pub fn end(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// What came next: `settings`, `ack`, `pong`, `window`, `status N` with its stream, `data`, `end`, `reset CODE`, `goaway
    /// CODE`, `closed`, `silence`.
    pub fn read(&mut self) -> String {
        loop {
            if self.come.len() >= 9 {
                let length = u32::from_be_bytes([0, self.come[0], self.come[1], self.come[2]]) as usize;
                if self.come.len() >= 9 + length {
                    let frame: Vec<u8> = self.come.drain(..9 + length).collect();
                    return self.told(&frame);
                }
            }
            let mut piece = [0; 64 << 10];
            match self.stream.read(&mut piece) {
                Ok(0) => return "closed".into(),
                Ok(count) => self.come.extend_from_slice(&piece[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return "silence".into();
                }
                Err(_) => return "closed".into(),
            }
        }
    }

    fn told(&mut self, frame: &[u8]) -> String {
        let (kind, flags, payload) = (frame[3], frame[4], &frame[9..]);
        let stream = u32::from_be_bytes(frame[5..9].try_into().unwrap());
        let code = |at: usize| CODES[u32::from_be_bytes(payload[at..at + 4].try_into().unwrap()) as usize];
        match kind {
            0 => {
                self.bodies.entry(stream).or_default().push_str(&String::from_utf8_lossy(payload));
                if flags & 1 == 1 { format!("end {stream}") } else { format!("data {}", payload.len()) }
            }
            1 => format!("status {} {stream}", status(payload)),
            3 => format!("reset {}", code(0)),
            4 if flags & 1 == 1 => "ack".into(),
            4 => "settings".into(),
            6 if flags & 1 == 1 => "pong".into(),
            6 => {
                if self.answers {
                    let _ = self.stream.write_all(&[&[0, 0, 8, 6, 1, 0, 0, 0, 0], payload].concat());
                }
                "ping".into()
            }
            7 => format!("goaway {}", code(4)),
            8 => "window".into(),
            other => format!("frame {other}"),
        }
    }
}

/// The status of a block of fields, which hyper writes first: indexed, or literal with an indexed name.
fn status(block: &[u8]) -> String {
    let skipped = block.iter().take_while(|b| **b & 0xe0 == 0x20).count();
    match &block[skipped..] {
        [b @ 0x88..=0x8e, ..] => ["200", "204", "206", "304", "400", "404", "500"][usize::from(b - 0x88)].into(),
        // Huffman's code of three digits: five or six bits each.
        [0x48 | 0x08, length, rest @ ..] if length & 0x80 != 0 => {
            let mut bits: Vec<u8> = Vec::new();
            for b in &rest[..usize::from(length & 0x7f)] {
                bits.extend((0..8).rev().map(|at| b >> at & 1));
            }
            digits(&bits)
        }
        [0x48 | 0x08, length, rest @ ..] => String::from_utf8_lossy(&rest[..usize::from(*length)]).into_owned(),
        other => format!("{other:02x?}"),
    }
}

fn digits(mut bits: &[u8]) -> String {
    let mut text = String::new();
    while text.len() < 3 {
        let value = |count: usize| bits[..count].iter().fold(0, |value, bit| value * 2 + u32::from(*bit));
        let (digit, used) = match value(5) {
            digit @ 0..=2 => (digit, 5),
            _ => (value(6) - 0x19 + 3, 6),
        };
        text.push_str(&digit.to_string());
        bits = &bits[used..];
    }
    text
}
