//! Where frames of HTTP/2 begin and end, in either direction; what they mean is hyper's to read.

/// The first nine bytes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// The length of the rest.
    pub(super) length: usize,
    /// The type.
    pub(super) kind: u8,
    /// The flags.
    pub(super) flags: u8,
    /// The bytes themselves.
    pub(super) bytes: [u8; 9],
}

/// What was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// A part of a frame's first nine bytes.
    Nothing,
    /// The last of them.
    Head(Frame),
    /// More of its payload.
    Payload,
    /// The last of it, and its first eight bytes.
    End(Frame, [u8; 8]),
}

/// A walk over a connection's frames.
#[derive(Debug, Default)]
pub(super) struct Walk {
    head: [u8; 9],
    have: usize,
    frame: Option<Frame>,
    left: usize,
    payload: [u8; 8],
}

impl Walk {
    /// Takes a step; says how many bytes it went over, none only if there are none and no frame without payload just began.
    pub(super) fn step(&mut self, input: &[u8]) -> (usize, Met) {
        let Some(frame) = self.frame else {
            let room = self.head.get_mut(self.have..).unwrap_or_default();
            let some = room.len().min(input.len());
            for (to, from) in room.iter_mut().zip(input) {
                *to = *from;
            }
            self.have += some;
            if self.have < self.head.len() {
                return (some, Met::Nothing);
            }
            let [a, b, c, kind, flags, ..] = self.head;
            let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            let frame = Frame { length, kind, flags, bytes: self.head };
            (self.frame, self.left, self.have, self.payload) = (Some(frame), length, 0, [0; 8]);
            return (some, Met::Head(frame));
        };
        let some = self.left.min(input.len());
        let done = frame.length - self.left;
        for (to, from) in self.payload.iter_mut().skip(done).zip(input.iter().take(some)) {
            *to = *from;
        }
        self.left -= some;
        if self.left > 0 {
            return (some, Met::Payload);
        }
        self.frame = None;
        (some, Met::End(frame, self.payload))
    }

    /// Whether a frame has begun and not ended.
    pub(super) fn within(&self) -> bool {
        self.have > 0 || self.frame.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::{Met, Walk};

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let bytes = b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08\0\0\0\x04\x01\0\0\0\0\0\0\x0a\x06\0\0\0\0\x000123456789";
        for size in 1..=bytes.len() {
            let (mut walk, mut heads, mut ends) = (Walk::default(), Vec::new(), Vec::new());
            for mut piece in bytes.chunks(size) {
                loop {
                    let (read, met) = walk.step(piece);
                    piece = &piece[read..];
                    match met {
                        Met::Head(frame) => heads.push((frame.kind, frame.length)),
                        Met::End(_, payload) => ends.push(payload),
                        Met::Payload | Met::Nothing if piece.is_empty() => break,
                        Met::Payload | Met::Nothing => {}
                    }
                }
            }
            assert_eq!(heads, [(3, 4), (4, 0), (6, 10)], "{size}");
            assert_eq!(ends, [*b"\0\0\0\x08\0\0\0\0", [0; 8], *b"01234567"], "{size}");
            assert!(!walk.within());
        }
    }
}
