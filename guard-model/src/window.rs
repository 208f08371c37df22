//! Overlapping windows over a text of any length: nothing is cut away, and what sits on a border of one window is
//! inside another.

use crate::Role;
use std::ops::Range;

/// How a text is cut into windows, counted in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Most pieces in one window.
    pub size: usize,
    /// From the start of a window to the start of the next; less than `size`.
    pub step: usize,
}

impl Windows {
    /// The windows used for text of a role. A document is read through a narrow window, because an instruction
    /// planted in it is short and a wide mean would drown it.
    pub fn of(role: Role) -> Self {
        match role {
            Role::Tool => Self { size: 32, step: 20 },
            Role::System | Role::User | Role::Assistant => Self { size: 128, step: 96 },
        }
    }

    /// The ranges that cover `pieces` pieces; the last one ends at the end. At least one.
    pub fn ranges(self, pieces: usize) -> Vec<Range<usize>> {
        let mut ranges = Vec::with_capacity(pieces / self.step.max(1) + 1);
        let mut start = 0;
        loop {
            let end = start + self.size;
            if end >= pieces {
                // The last window is as long as the others: a tail of two words alone would be read out of context.
                ranges.push(pieces.saturating_sub(self.size).min(start)..pieces);
                return ranges;
            }
            ranges.push(start..end);
            start += self.step.max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_piece_is_covered_and_neighbours_overlap(pieces in 0_usize..2000, size in 8_usize..200, share in 0.3_f64..0.9) {
            let windows = Windows { size, step: ((size as f64 * share) as usize).max(1) };
            let ranges = windows.ranges(pieces);
            prop_assert_eq!(ranges[0].start, 0);
            prop_assert_eq!(ranges[ranges.len() - 1].end, pieces);
            for range in &ranges {
                prop_assert!(range.len() <= size);
            }
            for pair in ranges.windows(2) {
                prop_assert!(pair[1].start < pair[0].end && pair[1].end > pair[0].end);
            }
        }
    }
}
