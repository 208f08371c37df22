use std::{sync::Arc, time::Duration};

use proptest::prelude::*;

use super::{LONGEST_HEAD, LONGEST_LINE, Reader};
use crate::serve::wire::{
    Rules,
    hosts::Hosts,
    violation::{Fault, Violation, Within},
};

fn reader() -> Reader {
    let hosts = Hosts::new("127.0.0.1:8700".parse().unwrap(), &[]).unwrap();
    let time = Duration::from_secs(1);
    Reader::new(Arc::new(Rules { hosts, body_bytes: 1 << 20, slow: time, idle: time, stall: time }))
}

/// What passes of some bytes that come in pieces of the given sizes, over and over, and what is wrong with them.
fn read(bytes: &[u8], sizes: &[usize]) -> (Vec<u8>, Option<Fault>, Within) {
    let (mut reader, mut out, mut rest) = (reader(), Vec::new(), bytes);
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, others) = rest.split_at((*size).clamp(1, rest.len()));
        rest = others;
        let mut passed = Vec::new();
        let fed = reader.feed(piece, &mut passed);
        out.extend(passed);
        if let Err(fault) = fed {
            return (out, Some(fault), reader.within());
        }
    }
    (out, None, reader.within())
}

fn wrong(bytes: &[u8]) -> Option<Violation> {
    read(bytes, &[usize::MAX]).1.map(|fault| fault.violation)
}

const PLAIN: &[u8] = b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn what_is_beyond_doubt_passes_as_it_is() {
    let chunked =
        b"POST /a?b=%20 HTTP/1.1\r\nhost:127.0.0.1:8700\r\nTransfer-Encoding: Chunked \r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let get = b"GET / HTTP/1.1\r\nHost: [::1]:8700\r\nExpect: 100-Continue\r\nConnection: keep-alive, TE\r\nX: \xe4\t\r\nY:\r\n\r\n";
    let all = [PLAIN, chunked, get, PLAIN].concat();
    assert_eq!(read(&all, &[usize::MAX]), (all.clone(), None, Within::Pause));
    // One empty line before a head is of no meaning, and is not handed over.
    assert_eq!(read(&[b"\r\n", PLAIN].concat(), &[1]), (PLAIN.to_vec(), None, Within::Pause));
    assert_eq!(wrong(&[b"\r\n\r\n", PLAIN].concat()), Some(Violation::RequestLine));
}

#[test]
fn nothing_of_a_head_passes_before_it_is_whole() {
    let head = PLAIN.len() - 5;
    for end in 1..head {
        assert_eq!(read(&PLAIN[..end], &[7]), (Vec::new(), None, Within::Head));
    }
    assert_eq!(read(&PLAIN[..head], &[7]).0.len(), head);
}

#[test]
fn nothing_passes_after_the_last_request() {
    for last in [
        &b"GET / HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, close\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
    ] {
        assert_eq!(read(&[last, PLAIN].concat(), &[usize::MAX]).0, last);
    }
}

#[test]
fn a_long_head_is_refused_at_its_bound() {
    let line = |length: usize| {
        let mut line = b"GET /".to_vec();
        line.resize(length - 9, b'a');
        line.extend_from_slice(b" HTTP/1.1\r\nHost: localhost\r\n\r\n");
        line
    };
    assert_eq!(wrong(&line(LONGEST_LINE - 1)), None);
    assert_eq!(wrong(&line(LONGEST_LINE + 1)), Some(Violation::TargetLength));
    let head = |length: usize| {
        let mut head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ".to_vec();
        head.resize(length - 4, b'a');
        head.extend_from_slice(b"\r\n\r\n");
        head
    };
    assert_eq!(wrong(&head(LONGEST_HEAD)), None);
    assert_eq!(wrong(&head(LONGEST_HEAD + 1)), Some(Violation::HeadLength));
    assert_eq!(wrong(&head(LONGEST_HEAD * 2)), Some(Violation::HeadLength));
    let fields = |count: usize| {
        [b"GET / HTTP/1.1\r\nHost: localhost\r\n", "a: b\r\n".repeat(count - 1).as_bytes(), b"\r\n"].concat()
    };
    assert_eq!(wrong(&fields(64)), None);
    assert_eq!(wrong(&fields(65)), Some(Violation::HeadCount));
}

#[test]
fn a_fault_knows_its_path_and_its_place() {
    let (_, fault, _) = read(b"POST /v1/chat?secret=1 HTTP/1.1\r\nHost: evil.example\r\n\r\n", &[1]);
    let path = "/v1/chat".to_owned();
    assert_eq!(fault, Some(Fault { violation: Violation::ForeignHost, path: path.clone(), within: Within::Head }));
    let body = b"POST /v1/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nx";
    let (_, fault, _) = read(body, &[usize::MAX]);
    assert_eq!(fault, Some(Fault { violation: Violation::ChunkSize, path, within: Within::Body }));
}

#[test]
fn a_head_that_is_cut_is_a_fault_and_a_pause_is_none() {
    let mut reader = reader();
    assert_eq!(reader.end(), None);
    reader.feed(b"GET / HT", &mut Vec::new()).unwrap();
    assert_eq!(reader.end().map(|fault| fault.violation), Some(Violation::HeadCut));
}

/// Bytes that look like requests, and are often wrong in some way.
fn traffic() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&'static [u8]> = vec![
        b"GET / HTTP/1.1\r\n",
        b"POST /v1/x HTTP/1.1\r\n",
        b"GET / HTTP/1.0\r\n",
        b"get / HTTP/1.1\r\n",
        b"GET http://a/ HTTP/1.1\r\n",
        b"Host: localhost\r\n",
        b"Host: localhost\r\n",
        b"Host: localhost\r\n",
        b"Host: evil\r\n",
        b"Content-Length: 3\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"X: y\r\n",
        b"X : y\r\n",
        b" folded\r\n",
        b"\r\n",
        b"\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"abc",
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        b"0\r\n",
        b"3;x=y\r\nabc\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
        b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ];
    let piece = prop_oneof![
        20 => proptest::sample::select(pieces).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..8),
        1 => (0..30_000usize).prop_map(|length| vec![b'a'; length]),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_verdict_does_not_depend_on_the_pieces(bytes in traffic(), sizes in proptest::collection::vec(1..97usize, 1..8)) {
        prop_assert_eq!(read(&bytes, &sizes), read(&bytes, &[usize::MAX]));
    }

    #[test]
    fn what_passes_is_what_came_and_little_is_held(bytes in traffic(), size in 1..9000usize) {
        let (mut reader, mut passed) = (reader(), Vec::new());
        for piece in bytes.chunks(size.min(8 << 10)) {
            let mut out = Vec::new();
            let fed = reader.feed(piece, &mut out);
            prop_assert!(reader.held.capacity() + out.capacity() <= 64 << 10);
            passed.extend(out);
            if fed.is_err() {
                break;
            }
        }
        // All that passes came in this order; what is missing was an empty line before a head, or came after the last request.
        let mut rest = bytes.iter();
        prop_assert!(passed.iter().all(|b| rest.any(|came| came == b)));
    }
}
