//! The upstream of the suite: it knows each request by the case named in its model, and answers in the format it is asked in.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use serde_json::Value;

use super::speak::{Says, Spoken};

/// An upstream that listens.
pub struct Generator {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
}

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The path.
    pub path: String,
    /// The body.
    pub body: Vec<u8>,
}

#[derive(Default)]
struct State {
    says: Mutex<HashMap<String, Says>>,
    asked: Mutex<HashMap<String, Vec<Asked>>>,
    strangers: Mutex<Vec<String>>,
}

impl Generator {
    /// Starts it; it lives as long as the process.
    pub fn start(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Self { address, state }
    }

    /// Says what it will answer to a case.
    pub fn expect(&self, case: &str, says: Says) {
        self.state.says.lock().unwrap().insert(case.to_owned(), says);
    }

    /// What it was asked by a case.
    pub fn asked(&self, case: &str) -> Vec<Asked> {
        self.state.asked.lock().unwrap().get(case).cloned().unwrap_or_default()
    }

    /// Every body it was asked with.
    pub fn bodies(&self) -> Vec<Vec<u8>> {
        self.state.asked.lock().unwrap().values().flatten().map(|asked| asked.body.clone()).collect()
    }

    /// The first lines of requests that name no case.
    pub fn strangers(&self) -> Vec<String> {
        self.state.strangers.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, state: &State) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some((line, body)) = read(&mut reader) {
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let known = match path.as_str() {
            "/v1/models" => r#"{"object":"list","data":[{"id":"scripted","object":"model"}]}"#,
            "/api/version" => r#"{"version":"0.12.0"}"#,
            "/api/tags" => r#"{"models":[{"name":"scripted"}]}"#,
            _ => "",
        };
        let spoken = if known.is_empty() {
            match case_of(&body) {
                Some(case) => {
                    let asked = Asked { path: path.clone(), body: body.clone() };
                    state.asked.lock().unwrap().entry(case.clone()).or_default().push(asked);
                    let says = state.says.lock().unwrap().get(&case).cloned().unwrap_or_default();
                    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                    says.spoken(&path, &body)
                }
                None => {
                    state.strangers.lock().unwrap().push(line.trim().to_owned());
                    Spoken {
                        status: 400,
                        kind: "application/json".to_owned(),
                        body: b"{}".to_vec(),
                        ..Spoken::default()
                    }
                }
            }
        } else {
            Spoken { status: 200, kind: "application/json".to_owned(), body: known.into(), ..Spoken::default() }
        };
        if answer(&mut stream, &spoken).is_err() || spoken.cut {
            return;
        }
    }
}

/// The case a body names: `case-`, the dialect's word, `-`, a number.
pub fn case_of(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    text.match_indices("case-").find_map(|(at, _)| {
        let name: String = text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let (_, number) = name.rsplit_once('-')?;
        (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
    })
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut first = String::new();
    if reader.read_line(&mut first).ok()? == 0 {
        return None;
    }
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
    }
    let mut body = Vec::new();
    if !chunked {
        body.resize(length, 0);
        reader.read_exact(&mut body).ok()?;
        return Some((first, body));
    }
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).ok()?;
        if size == 0 {
            return Some((first, body));
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

fn answer(stream: &mut TcpStream, spoken: &Spoken) -> std::io::Result<()> {
    let Spoken { status, kind, headers, body, tcp, cut } = spoken;
    write!(stream, "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n{headers}\r\n")?;
    let piece = if *tcp == 0 { body.len().max(1) } else { *tcp };
    for bytes in body.chunks(piece) {
        // One write for a piece: a packet each, without the time that three would cost.
        let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        stream.write_all(&chunk)?;
    }
    if !cut {
        stream.write_all(b"0\r\n\r\n")?;
    }
    stream.flush()
}

#[cfg(test)]
mod tests {
    use super::case_of;

    #[test]
    fn a_case_is_found_in_any_body() {
        assert_eq!(case_of(b"\xff{\"model\":\"case-chat-17 x\"").as_deref(), Some("case-chat-17"));
        assert_eq!(case_of(b"{\"model\":\"case-chat\"}"), None);
    }
}
