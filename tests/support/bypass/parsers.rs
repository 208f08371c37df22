//! What other parsers read out of the bodies that were forwarded.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use super::{data, disguise};

/// What a document means to a parser: all of it, and its field `extra`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// A hash of all of it, or `unreadable`.
    pub whole: String,
    /// A hash of the field `extra`, or of null.
    pub extra: String,
}

/// What documents mean to Python.
pub fn python(bodies: &[Vec<u8>]) -> Vec<Meaning> {
    meanings("python3", &data::folder().join("parsers/parse.py"), bodies)
}

/// What documents mean to Node.
pub fn node(bodies: &[Vec<u8>]) -> Vec<Meaning> {
    meanings("node", &data::folder().join("parsers/parse.mjs"), bodies)
}

fn meanings(program: &str, script: &Path, bodies: &[Vec<u8>]) -> Vec<Meaning> {
    let mut child = Command::new(program)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let lines: String = bodies.iter().map(|body| disguise::base64(body) + "\n").collect();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let read = |line: &str| {
        let (whole, extra) = line.split_once(' ').unwrap();
        Meaning { whole: whole.to_owned(), extra: extra.to_owned() }
    };
    let meanings: Vec<Meaning> = text.lines().map(read).collect();
    assert_eq!(meanings.len(), bodies.len(), "{program} did not read every document");
    meanings
}
