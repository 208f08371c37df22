//! Bytes over a connection, as they are.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::client::{Answer, parse};

/// A POST of a body.
pub fn post(path: &str, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    request("POST", path, headers, body)
}

/// A request.
pub fn request(method: &str, path: &str, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    [head.as_bytes(), body].concat()
}

/// Sends bytes and reads until the other side closes, or says nothing for so long.
pub fn exchange(address: SocketAddr, bytes: &[u8], patience: Duration) -> Vec<u8> {
    let Ok(mut stream) = TcpStream::connect(address) else { return Vec::new() };
    let _ = stream.set_nodelay(true);
    stream.set_read_timeout(Some(patience)).unwrap();
    // The other side may refuse before it has read everything.
    let _ = stream.write_all(bytes);
    let (mut answer, mut buffer) = (Vec::new(), [0; 16 << 10]);
    let begun = Instant::now();
    while let Ok(count) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..count]);
        if count == 0 || begun.elapsed() > Duration::from_secs(120) {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
    answer
}

/// Sends a request and reads its answer.
pub fn ask(address: SocketAddr, bytes: &[u8]) -> Answer {
    parse(&exchange(address, bytes, Duration::from_secs(60)))
}
