//! The block types of GGUF files, taken apart into groups of 32 weights.

use super::GROUP;
use candle_core::quantized::GgmlDType;

/// A type of quantised weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Q4Zero,
    Q4One,
    Q5Zero,
    Q5One,
    Q8Zero,
    Q4K,
    Q5K,
    Q6K,
}

/// 32 weights: `half(scale) * step * (value - zero) + half(least) * least_step`, one step for each 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) values: [u8; GROUP],
    pub(crate) scale: u16,
    pub(crate) steps: [i8; 2],
    pub(crate) least: u16,
    pub(crate) least_step: u8,
}

impl Kind {
    /// The kind of a file's type; none for plain numbers and for types that are not read.
    pub(crate) fn of(dtype: GgmlDType) -> Option<Self> {
        match dtype {
            GgmlDType::Q4_0 => Some(Self::Q4Zero),
            GgmlDType::Q4_1 => Some(Self::Q4One),
            GgmlDType::Q5_0 => Some(Self::Q5Zero),
            GgmlDType::Q5_1 => Some(Self::Q5One),
            GgmlDType::Q8_0 => Some(Self::Q8Zero),
            GgmlDType::Q4K => Some(Self::Q4K),
            GgmlDType::Q5K => Some(Self::Q5K),
            GgmlDType::Q6K => Some(Self::Q6K),
            GgmlDType::F32
            | GgmlDType::F16
            | GgmlDType::BF16
            | GgmlDType::Q8_1
            | GgmlDType::Q2K
            | GgmlDType::Q3K
            | GgmlDType::Q8K => None,
        }
    }

    /// Which value stands for zero.
    pub(crate) fn zero(self) -> u8 {
        match self {
            Self::Q4Zero => 8,
            Self::Q5Zero => 16,
            Self::Q8Zero => 128,
            Self::Q6K => 32,
            Self::Q4One | Self::Q5One | Self::Q4K | Self::Q5K => 0,
        }
    }

    /// The greatest value there is.
    pub(crate) fn most(self) -> u8 {
        match self {
            Self::Q4Zero | Self::Q4One | Self::Q4K => 15,
            Self::Q5Zero | Self::Q5One | Self::Q5K => 31,
            Self::Q6K => 63,
            Self::Q8Zero => 255,
        }
    }

    /// Whether values have four bits.
    pub(crate) fn is_four_bit(self) -> bool {
        matches!(self, Self::Q4Zero | Self::Q4One | Self::Q4K)
    }

    /// Whether every 16 weights have a scale of their own.
    pub(crate) fn is_fine(self) -> bool {
        self == Self::Q6K
    }

    /// Whether weights have an offset of their own.
    pub(crate) fn has_least(self) -> bool {
        matches!(self, Self::Q4One | Self::Q5One | Self::Q4K | Self::Q5K)
    }

    /// Groups that share the half-precision numbers of a block.
    pub(crate) fn groups_in_block(self) -> usize {
        match self {
            Self::Q4K | Self::Q5K | Self::Q6K => 8,
            Self::Q4Zero | Self::Q4One | Self::Q5Zero | Self::Q5One | Self::Q8Zero => 1,
        }
    }

    /// Bytes of a block.
    pub(crate) fn block_bytes(self) -> usize {
        match self {
            Self::Q4Zero => 18,
            Self::Q4One => 20,
            Self::Q5Zero => 22,
            Self::Q5One => 24,
            Self::Q8Zero => 34,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }

    /// The groups of a row; what is left of an incomplete block is not read.
    pub(crate) fn read(self, row: &[u8], groups: &mut Vec<Group>) {
        groups.clear();
        for block in row.chunks_exact(self.block_bytes()) {
            match self {
                Self::Q4Zero | Self::Q4One | Self::Q5Zero | Self::Q5One => groups.push(self.small(block)),
                Self::Q8Zero => groups.push(Group {
                    values: std::array::from_fn(|at| byte(block, 2 + at) ^ 0x80),
                    ..Group::plain(pair(block, 0), 0)
                }),
                Self::Q4K | Self::Q5K => groups.extend((0..8).map(|group| self.middle(block, group))),
                Self::Q6K => groups.extend((0..8).map(|group| six(block, group))),
            }
        }
    }

    /// The types with 32 weights in a block: low halves of the bytes first, then high halves, fifth bits apart.
    fn small(self, block: &[u8]) -> Group {
        let least = if self.has_least() { pair(block, 2) } else { 0 };
        let bits = if self.has_least() { 4 } else { 2 };
        let five = matches!(self, Self::Q5Zero | Self::Q5One);
        let nibbles = if five { bits + 4 } else { bits };
        let value = |at: usize| {
            let packed = byte(block, nibbles + at % 16);
            let low = if at < 16 { packed & 15 } else { packed >> 4 };
            let fifth = if five { byte(block, bits + at / 8) >> (at % 8) & 1 } else { 0 };
            low | fifth << 4
        };
        Group { values: std::array::from_fn(value), ..Group::plain(pair(block, 0), least) }
    }

    /// `Q4_K` and `Q5_K`: eight groups, whose six-bit steps of scale and offset share twelve bytes.
    fn middle(self, block: &[u8], group: usize) -> Group {
        let steps = |at: usize| byte(block, 4 + at);
        let (step, least_step) = if group < 4 {
            (steps(group) & 63, steps(group + 4) & 63)
        } else {
            let (low, top, least_top) = (steps(group + 4), steps(group - 4) >> 6, steps(group) >> 6);
            (low & 15 | top << 4, low >> 4 | least_top << 4)
        };
        let nibbles = if self == Self::Q5K { 48 } else { 16 };
        let mut values = nibbles_of(part(block, nibbles + group / 2 * 32), !group.is_multiple_of(2));
        if self == Self::Q5K {
            for (value, fifth) in values.iter_mut().zip(part(block, 16)) {
                *value |= (fifth >> group & 1) << 4;
            }
        }
        Group {
            values,
            scale: pair(block, 0),
            steps: [step.cast_signed(); 2],
            // Offsets are subtracted.
            least: pair(block, 2) ^ 0x8000,
            least_step,
        }
    }
}

impl Group {
    fn plain(scale: u16, least: u16) -> Self {
        Self { values: [0; GROUP], scale, steps: [1; 2], least, least_step: 1 }
    }
}

/// `Q6_K`: four low bits of 256 values, then two high bits, then a signed step for each 16.
fn six(block: &[u8], group: usize) -> Group {
    let (side, quarter) = (group / 4, group % 4);
    let mut values = nibbles_of(part(block, side * 64 + quarter % 2 * 32), quarter >= 2);
    for (value, high) in values.iter_mut().zip(part(block, 128 + side * 32)) {
        *value |= (high >> (2 * quarter) & 3) << 4;
    }
    let step = |half: usize| byte(block, 192 + group * 2 + half).cast_signed();
    Group { values, scale: pair(block, 208), steps: [step(0), step(1)], least: 0, least_step: 0 }
}

/// The 32 bytes from `at`.
fn part(block: &[u8], at: usize) -> &[u8; GROUP] {
    block.get(at..).and_then(|rest| rest.first_chunk()).unwrap_or(&[0; GROUP])
}

/// The low halves of bytes, or the high ones.
fn nibbles_of(bytes: &[u8; GROUP], high: bool) -> [u8; GROUP] {
    if high { bytes.map(|byte| byte >> 4) } else { bytes.map(|byte| byte & 15) }
}

fn byte(block: &[u8], at: usize) -> u8 {
    block.get(at).copied().unwrap_or_default()
}

fn pair(block: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([byte(block, at), byte(block, at + 1)])
}
