//! HTTP/2 in front of hyper: how much of it there may be. The frames themselves are read by hyper's own strict reader.

use std::time::{Duration, Instant};

use super::{
    frames::{Met, Walk},
    violation::{Fault, Violation, Within},
};

/// What a client that knows HTTP/2 begins with.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A frame that no client may send, data of no stream, so that hyper says goodbye as it does to any that breaks the rules.
const STAND_IN: [u8; 9] = [0; 9];

/// How often the budgets are filled.
const PERIOD: Duration = Duration::from_secs(10);
/// Frames that carry nothing, or next to nothing, in a period.
const IDLE_FRAMES: u32 = 1000;
/// Streams given up in a period: each may have begun to be judged.
const RESETS: u32 = 100;
/// Windows opened in a period: a client may do it twice for each frame of 64 streamed answers.
const WINDOWS: u32 = 80_000;
/// Pieces of bodies of fewer than [`SMALL`] bytes in a period.
const CRUMBS: u32 = 4096;
const SMALL: usize = 16;

/// A count of what a client sends over one connection.
#[derive(Debug)]
pub(super) struct Counter {
    preface: usize,
    walk: Walk,
    /// Whether a frame has come.
    begun: bool,
    /// Whether a block of fields has begun and not ended.
    block: bool,
    since: Option<Instant>,
    idle: u32,
    resets: u32,
    windows: u32,
    crumbs: u32,
    marks: u64,
}

impl Counter {
    /// A counter at the beginning of a connection.
    pub(super) fn new() -> Self {
        let (preface, walk) = (PREFACE.len(), Walk::default());
        Self {
            preface,
            walk,
            begun: false,
            block: false,
            since: None,
            idle: 0,
            resets: 0,
            windows: 0,
            crumbs: 0,
            marks: 0,
        }
    }

    /// Reads on, and adds what may pass to `out`. After a fault nothing may be fed any more.
    pub(super) fn feed(&mut self, mut input: &[u8], now: Instant, out: &mut Vec<u8>) -> Result<(), Fault> {
        let (preface, rest) = input.split_at_checked(self.preface).unwrap_or((input, &[]));
        self.preface -= preface.len();
        out.extend_from_slice(preface);
        input = rest;
        if self.since.is_none_or(|since| now.duration_since(since) >= PERIOD) {
            (self.since, self.idle, self.resets) = (Some(now), IDLE_FRAMES, RESETS);
            (self.windows, self.crumbs) = (WINDOWS, CRUMBS);
        }
        while !input.is_empty() || self.walk.within() {
            let (read, met) = self.walk.step(input);
            let bytes = input.get(..read).unwrap_or_default();
            input = input.get(read..).unwrap_or_default();
            match met {
                // A frame's head is held until it is whole, so that another can stand in for it.
                Met::Nothing => break,
                Met::Head(frame) => {
                    // The preface is not whole without settings; hyper would do without.
                    if !std::mem::replace(&mut self.begun, true) && (frame.kind != 4 || frame.flags & 1 != 0) {
                        out.extend_from_slice(&STAND_IN);
                        return Err(Fault::of_connection(Violation::Http2));
                    }
                    let budget = match frame.kind {
                        0 if frame.length < SMALL && frame.flags & 1 == 0 => Some(&mut self.crumbs),
                        0 | 1 => None,
                        3 => Some(&mut self.resets),
                        8 => Some(&mut self.windows),
                        _ => Some(&mut self.idle),
                    };
                    if let Some(budget) = budget {
                        let Some(left) = budget.checked_sub(1) else {
                            out.extend_from_slice(&STAND_IN);
                            return Err(Fault::of_connection(Violation::Flood));
                        };
                        *budget = left;
                    }
                    if matches!(frame.kind, 1 | 5 | 9) {
                        self.block = frame.flags & 4 == 0;
                    }
                    out.extend_from_slice(&frame.bytes);
                }
                Met::Payload => {
                    out.extend_from_slice(bytes);
                    if input.is_empty() {
                        break;
                    }
                }
                Met::End(..) => {
                    out.extend_from_slice(bytes);
                    self.marks += u64::from(!self.block);
                }
            }
        }
        Ok(())
    }

    /// What the client is in the middle of.
    pub(super) fn within(&self) -> Within {
        if self.preface > 0 || self.walk.within() || self.block { Within::Head } else { Within::Pause }
    }

    /// Changes when a frame ends that leaves no block of fields open.
    pub(super) fn marks(&self) -> u64 {
        self.marks
    }
}

/// A watch on what hyper says: that it refuses a stream or the connection is known from this alone.
#[derive(Debug, Default)]
pub(super) struct Watch {
    walk: Walk,
}

impl Watch {
    /// Looks at what was sent; whether one of its frames says that the client broke the protocol.
    pub(super) fn sent(&mut self, mut output: &[u8]) -> bool {
        let mut broken = false;
        while !output.is_empty() || self.walk.within() {
            let (read, met) = self.walk.step(output);
            output = output.get(read..).unwrap_or_default();
            match met {
                Met::Nothing => break,
                Met::Payload if output.is_empty() => break,
                Met::Payload | Met::Head(_) => {}
                Met::End(frame, payload) => {
                    let at = match frame.kind {
                        3 => payload.first_chunk(),
                        7 => payload.last_chunk(),
                        _ => None,
                    };
                    let code = at.map_or(0, |code| u32::from_be_bytes(*code));
                    // Protocol, flow control, settings, closed stream, frame size, compression, calm, security, version.
                    broken |= matches!(code, 1 | 3..=6 | 9 | 11..=13);
                    // An answer of a status alone is hyper's own, 431; ours all have a date and a body.
                    broken |= frame.kind == 1 && frame.flags & 1 != 0 && frame.length <= 8;
                }
            }
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Counter, PERIOD, PREFACE, Watch, Within};

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        [&[0, 0, payload.len() as u8, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    fn begun() -> Vec<u8> {
        [PREFACE.as_slice(), &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat()
    }

    #[test]
    fn the_first_frame_is_settings() {
        for (kind, flags, good) in [(4, 0, true), (4, 1, false), (6, 0, false), (1, 5, false)] {
            let bytes = [PREFACE.as_slice(), &frame(kind, flags, &[])].concat();
            assert_eq!(Counter::new().feed(&bytes, Instant::now(), &mut Vec::new()).is_ok(), good, "{kind}");
        }
    }

    #[test]
    fn what_carries_nothing_is_counted() {
        for (kind, payload, most) in [(6, 8, 999), (4, 0, 999), (2, 5, 999), (99, 1, 999), (3, 4, 100), (0, 3, 4096)] {
            let bytes = frame(kind, 0, &vec![0; payload]);
            let (mut counter, now, mut out) = (Counter::new(), Instant::now(), Vec::new());
            counter.feed(&begun(), now, &mut out).unwrap();
            for _ in 0..most {
                counter.feed(&bytes, now, &mut out).unwrap();
            }
            assert_eq!(out.len(), 33 + most * bytes.len());
            assert!(counter.feed(&bytes, now, &mut out).is_err(), "{kind}");
            assert!(out.ends_with(&[0; 9]));
        }
    }

    #[test]
    fn a_budget_comes_back() {
        let (mut counter, now, mut out) = (Counter::new(), Instant::now(), Vec::new());
        counter.feed(&begun(), now, &mut out).unwrap();
        let pings = frame(6, 0, &[0; 8]).repeat(900);
        for period in 0..5 {
            counter.feed(&pings, now + PERIOD * period, &mut out).unwrap();
        }
        assert!(counter.feed(&pings, now + PERIOD * 4 + Duration::from_secs(9), &mut out).is_err());
    }

    #[test]
    fn an_open_block_and_half_a_frame_are_not_a_pause() {
        let (mut counter, now, mut out) = (Counter::new(), Instant::now(), Vec::new());
        counter.feed(PREFACE.get(..7).unwrap(), now, &mut out).unwrap();
        assert_eq!(counter.within(), Within::Head);
        counter.feed(begun().get(7..).unwrap(), now, &mut out).unwrap();
        assert_eq!(counter.within(), Within::Pause);
        counter.feed(&frame(1, 0, b"xx"), now, &mut out).unwrap();
        assert_eq!(counter.within(), Within::Head);
        counter.feed(&frame(9, 4, b"xx"), now, &mut out).unwrap();
        assert_eq!(counter.within(), Within::Pause);
        counter.feed(&frame(0, 1, b"xxxx")[..11], now, &mut out).unwrap();
        assert_eq!(counter.within(), Within::Head);
    }

    #[test]
    fn a_refusal_is_seen_and_a_goodbye_is_none() {
        assert!(Watch::default().sent(&frame(3, 0, &[0, 0, 0, 1])));
        assert!(!Watch::default().sent(&frame(3, 0, &[0, 0, 0, 8])));
        assert!(Watch::default().sent(&frame(7, 0, &[0, 0, 0, 9, 0, 0, 0, 11])));
        assert!(!Watch::default().sent(&frame(7, 0, &[0, 0, 0, 9, 0, 0, 0, 0])));
        assert!(Watch::default().sent(&frame(1, 5, b"\x48\x82\x68\x0b")));
        assert!(!Watch::default().sent(&frame(1, 5, &[0; 40])));
        let mut watch = Watch::default();
        assert!(!watch.sent(&frame(0, 0, &[0; 40])) && watch.sent(&frame(3, 0, &[0, 0, 0, 5])));
    }
}
