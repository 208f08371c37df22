//! The table of pieces: a vector for each, kept as the file has it.

use super::WeightsFile;
use crate::GuardError;
use crate::engine::{GROUP, Kind, half};
use std::borrow::Cow;

/// Rows of four-bit blocks, read one at a time.
pub(super) struct Words {
    blocks: Cow<'static, [u8]>,
    row: usize,
}

impl Words {
    /// Takes the table from a file, by copying it.
    pub(super) fn load(file: &WeightsFile<'_>, width: usize) -> Result<Self, GuardError> {
        let (blocks, row) = find(file, width)?;
        Ok(Self { blocks: Cow::Owned(blocks.to_vec()), row })
    }

    /// Takes the table from a file that is part of the program, where it stays.
    pub(super) fn borrow(file: &WeightsFile<'static>, width: usize) -> Result<Self, GuardError> {
        let (blocks, row) = find(file, width)?;
        Ok(Self { blocks: Cow::Borrowed(blocks), row })
    }

    /// Writes the vector of a piece to `to`; nothing when there is no such piece.
    pub(super) fn read(&self, id: u32, to: &mut [f32]) -> Option<()> {
        let start = (id as usize).checked_mul(self.row)?;
        let blocks = self.blocks.get(start..start + self.row)?.as_chunks::<BLOCK>().0;
        for ([low, high, values @ ..], to) in blocks.iter().zip(to.as_chunks_mut::<GROUP>().0) {
            let scale = half(u16::from_le_bytes([*low, *high]));
            let (first, second) = to.split_at_mut(GROUP / 2);
            for ((byte, first), second) in values.iter().zip(first).zip(second) {
                *first = scale * f32::from(i16::from(byte & 15) - 8);
                *second = scale * f32::from(i16::from(byte >> 4) - 8);
            }
        }
        Some(())
    }
}

fn find<'a>(file: &WeightsFile<'a>, width: usize) -> Result<(&'a [u8], usize), GuardError> {
    let pieces = file.rows("token_embd.weight")?;
    let (kind, blocks) = file.blocks("token_embd.weight", pieces, width)?;
    match kind {
        Kind::Q4Zero => Ok((blocks, width / GROUP * BLOCK)),
        _ => Err(GuardError::Weights("tensor `token_embd.weight` is not of type `Q4_0`".into())),
    }
}

/// Bytes of a block: a half-precision scale and 32 values of four bits.
const BLOCK: usize = 18;
