//! Lines and columns of the bytes of a text.

/// Where the lines of a text start, and how many characters stand before every so many bytes, so that a place on a line
/// of a megabyte costs no more than another.
pub(crate) struct Lines<'t> {
    bytes: &'t [u8],
    starts: Vec<usize>,
    before: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(crate) fn read(source: &'t str) -> Lines<'t> {
        let bytes = source.as_bytes();
        let ends = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let mut before = vec![0];
        for piece in bytes.chunks(STEP) {
            before.push(before.last().copied().unwrap_or_default() + characters(piece));
        }
        Lines { bytes, starts: [0].into_iter().chain(ends).collect(), before }
    }

    /// The line and the character of a byte, both from 1.
    pub(crate) fn place(&self, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        (line, self.characters_before(at) - self.characters_before(start) + 1)
    }

    fn characters_before(&self, at: usize) -> usize {
        let at = at.min(self.bytes.len());
        let (known, rest) = (at / STEP, at / STEP * STEP..at);
        self.before.get(known).copied().unwrap_or_default() + self.bytes.get(rest).map_or(0, characters)
    }
}

/// The characters that begin in some bytes of a text.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

const STEP: usize = 1 << 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters() {
        let text = format!("é\n{}x\n\ny", "ü".repeat(STEP));
        let lines = Lines::read(&text);
        for (at, character) in text.char_indices() {
            let before = &text[..at];
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            assert_eq!(lines.place(at), (before.matches('\n').count() + 1, column), "{character} at {at}");
        }
        assert_eq!(Lines::read("").place(0), (1, 1));
    }
}
