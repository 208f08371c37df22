//! An upstream that says what the script says, and remembers what it was asked.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

/// What the upstream answers.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// The status.
    pub status: u16,
    /// The type of the body.
    pub kind: String,
    /// The body.
    pub body: String,
    /// How many bytes are sent at a time; 0 for all at once.
    pub piece: usize,
    /// Whether the connection breaks before the body's end is marked.
    pub cut: bool,
    /// How long it waits after each piece.
    pub pause: Duration,
}

/// Chooses what is answered by a request's first line and body.
pub type Choice = dyn Fn(&str, &str) -> Script + Send + Sync;

/// A server on a loopback port.
pub struct ScriptedUpstream {
    /// Its root URL.
    pub url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    script: Mutex<Script>,
    /// What chooses the script of each request, if it is not the same for all.
    choice: Option<Box<Choice>>,
    paths: Mutex<BTreeSet<String>>,
    asked: Mutex<Vec<String>>,
    broken: Mutex<u32>,
}

impl ScriptedUpstream {
    /// Starts it; it lives as long as the test's process.
    pub fn start() -> Self {
        Self::start_as(State::default())
    }

    /// The same, where every request has a script of its own.
    pub fn choosing(choice: impl Fn(&str, &str) -> Script + Send + Sync + 'static) -> Self {
        Self::start_as(State { choice: Some(Box::new(choice)), ..State::default() })
    }

    fn start_as(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Self { url, state }
    }

    /// Says what comes next.
    pub fn script(&self, script: Script) {
        *self.state.script.lock().unwrap() = script;
    }

    /// The bodies of the chats it was asked since the last call.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.asked.lock().unwrap())
    }

    /// Where it was asked.
    pub fn paths(&self) -> BTreeSet<String> {
        self.state.paths.lock().unwrap().clone()
    }

    /// How many answers ended because the other side left.
    pub fn abandoned(&self) -> u32 {
        *self.state.broken.lock().unwrap()
    }
}

fn serve(mut stream: TcpStream, state: &State) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let Some((line, body)) = request(&mut reader) else { return };
        state.paths.lock().unwrap().extend(line.split(' ').nth(1).map(str::to_owned));
        if state.choice.is_none() && line.starts_with("GET /api/version ") {
            if stream.write_all(b"HTTP/1.1 404 X\r\ncontent-length: 0\r\n\r\n").is_err() {
                return;
            }
            continue;
        }
        if state.choice.is_none() && line.starts_with("GET /v1/models ") {
            let list = r#"{"object":"list","data":[{"id":"scripted","object":"model"}]}"#;
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", list.len());
            if stream.write_all((head + list).as_bytes()).is_err() {
                return;
            }
            continue;
        }
        let script = match &state.choice {
            Some(choose) => choose(&line, &body),
            None => state.script.lock().unwrap().clone(),
        };
        // Questions about models are no chats; some are asked at start.
        if line.starts_with("POST ") {
            state.asked.lock().unwrap().push(body);
        }
        if answer(&mut stream, &script).is_err() {
            *state.broken.lock().unwrap() += 1;
            return;
        }
        if script.cut {
            return;
        }
    }
}

fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut first = String::new();
    if reader.read_line(&mut first).ok()? == 0 {
        return None;
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first, String::from_utf8(body).ok()?))
}

fn answer(stream: &mut TcpStream, script: &Script) -> std::io::Result<()> {
    let (status, kind) = (script.status, &script.kind);
    write!(stream, "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n")?;
    let body = script.body.as_bytes();
    let piece = if script.piece == 0 { body.len().max(1) } else { script.piece };
    for bytes in body.chunks(piece) {
        write!(stream, "{:x}\r\n", bytes.len())?;
        stream.write_all(bytes)?;
        stream.write_all(b"\r\n")?;
        if !script.pause.is_zero() {
            std::thread::sleep(script.pause);
        }
    }
    if !script.cut {
        stream.write_all(b"0\r\n\r\n")?;
    }
    stream.flush()
}
