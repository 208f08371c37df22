//! Where a model's tensors lie, and their reading a few rows at a time: GGUF files and directories of safetensors.
//!
//! Only a few megabytes of a file are in memory beside the matrices that are made of them.

mod config;
mod safetensors;

pub(crate) use config::Config;
pub(crate) use safetensors::open_directory;

use crate::engine::{GROUP, Kind, Matrix, half_bits};
use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::Content;
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};

/// The tensors of a model by their names in GGUF files, and the files they lie in.
pub(crate) struct Tensors<R> {
    files: Vec<R>,
    places: BTreeMap<String, Place>,
}

/// Where a tensor lies.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) file: usize,
    pub(crate) offset: u64,
    pub(crate) form: Form,
    pub(crate) shape: Vec<usize>,
    /// Heads whose rows have first all left halves of their pairs, then all right ones; else left and right take turns.
    pub(crate) halved: Option<usize>,
}

/// How the numbers of a tensor are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Blocks(Kind),
    F32,
    F16,
    BF16,
    /// Blocks of a type that does not run here.
    Foreign(GgmlDType),
}

impl<R: Read + Seek> Tensors<R> {
    /// The tensors of a GGUF file.
    pub(crate) fn of_gguf(content: &Content, file: R) -> Self {
        let place = |(name, info): (&String, &candle_core::quantized::gguf_file::TensorInfo)| {
            let form = match info.ggml_dtype {
                GgmlDType::F32 => Form::F32,
                GgmlDType::F16 => Form::F16,
                GgmlDType::BF16 => Form::BF16,
                other => Kind::of(other).map_or(Form::Foreign(other), Form::Blocks),
            };
            let offset = content.tensor_data_offset.checked_add(info.offset)?;
            let shape = info.shape.dims().to_vec();
            Some((name.clone(), Place { file: 0, offset, form, shape, halved: None }))
        };
        Self { files: vec![file], places: content.tensor_infos.iter().filter_map(place).collect() }
    }

    pub(crate) fn new(files: Vec<R>, places: BTreeMap<String, Place>) -> Self {
        Self { files, places }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// Rows of a tensor.
    pub(crate) fn rows(&self, name: &str) -> Result<usize, String> {
        let rows = self.places.get(name).and_then(|place| place.shape.first().copied()).filter(|rows| *rows > 0);
        rows.ok_or_else(|| format!("tensor `{name}` is missing or empty"))
    }

    /// A short list of numbers.
    pub(crate) fn floats(&mut self, name: &str, count: usize) -> Result<Vec<f32>, String> {
        let place = self.place(name)?.clone();
        if place.shape.iter().product::<usize>() != count {
            return Err(format!("tensor `{name}` is {:?}, not {count} numbers", place.shape));
        }
        let mut bytes = vec![0; place.form.bytes(count).ok_or_else(|| format!("tensor `{name}` is not whole blocks"))?];
        self.read(name, &place, 0, &mut bytes)?;
        let mut values = vec![0.0; count];
        place
            .form
            .numbers(&bytes, &mut values)
            .ok_or_else(|| format!("tensor `{name}` is not made of plain numbers"))?;
        if values.iter().any(|value| !value.is_finite()) {
            return Err(format!("tensor `{name}` has a value that is not a number"));
        }
        Ok(values)
    }

    /// A matrix of so many outputs and inputs. Plain numbers become blocks of eight bits.
    pub(crate) fn matrix(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<Matrix, String> {
        let place = self.place(name)?.clone();
        if place.shape != [outputs, inputs] {
            return Err(format!("tensor `{name}` is {:?}, not {outputs} by {inputs}", place.shape));
        }
        let row = place.form.bytes(inputs).ok_or_else(|| format!("tensor `{name}`: its rows are not whole blocks"))?;
        let kind = if let Form::Blocks(kind) = place.form { kind } else { Kind::Q8Zero };
        let (mut bytes, mut values) = (Vec::new(), Vec::new());
        let read = |rows: std::ops::Range<usize>, blocks: &mut Vec<u8>| {
            bytes.resize(rows.len() * row, 0);
            if let Some(heads) = place.halved {
                // One row at a time, from where it lies to where its partner is.
                for (index, to) in rows.zip(bytes.chunks_exact_mut(row)) {
                    self.read(name, &place, (paired(index, outputs, heads) * row) as u64, to)?;
                }
            } else {
                self.read(name, &place, (rows.start * row) as u64, &mut bytes)?;
            }
            if let Form::Blocks(_) = place.form {
                std::mem::swap(blocks, &mut bytes);
                return Ok(());
            }
            values.resize(bytes.len() / place.form.width(), 0.0);
            place.form.numbers(&bytes, &mut values).ok_or("its length is odd")?;
            if values.iter().any(|value| !value.is_finite()) {
                return Err(format!("tensor `{name}` has a value that is not a number"));
            }
            eight_bits(&values, blocks);
            Ok(())
        };
        Matrix::read(kind, outputs, inputs, read).map_err(|reason| format!("tensor `{name}`: {reason}"))
    }

    fn place(&self, name: &str) -> Result<&Place, String> {
        let place = self.places.get(name).ok_or_else(|| format!("tensor `{name}` is missing"))?;
        if let Form::Foreign(other) = place.form {
            return Err(format!("tensor `{name}`: its type {other:?} is not one that runs here"));
        }
        Ok(place)
    }

    fn read(&mut self, name: &str, place: &Place, from: u64, bytes: &mut [u8]) -> Result<(), String> {
        let wrong = |error: std::io::Error| format!("tensor `{name}` cannot be read: {error}");
        let file = self.files.get_mut(place.file).ok_or("there is no such file")?;
        let at = place.offset.checked_add(from).ok_or("its place is beyond any file")?;
        file.seek(SeekFrom::Start(at)).map_err(wrong)?;
        file.read_exact(bytes).map_err(wrong)
    }
}

impl Form {
    /// Bytes of so many numbers; none when they are not whole blocks.
    fn bytes(self, count: usize) -> Option<usize> {
        match self {
            Self::Blocks(kind) => {
                let block = GROUP * kind.groups_in_block();
                count.is_multiple_of(block).then(|| count / block * kind.block_bytes())
            }
            Self::F32 | Self::F16 | Self::BF16 => count.checked_mul(self.width()),
            Self::Foreign(_) => None,
        }
    }

    /// Bytes of a plain number.
    fn width(self) -> usize {
        if self == Self::F32 { 4 } else { 2 }
    }

    /// Plain numbers from their bytes, as many as there is room for; none for blocks.
    fn numbers(self, bytes: &[u8], values: &mut [f32]) -> Option<()> {
        let (pairs, fours) = (bytes.as_chunks::<2>().0, bytes.as_chunks::<4>().0);
        let pairs = values.iter_mut().zip(pairs);
        match self {
            Self::Blocks(_) | Self::Foreign(_) => return None,
            Self::F32 => values.iter_mut().zip(fours).for_each(|(value, bytes)| *value = f32::from_le_bytes(*bytes)),
            Self::F16 => pairs.for_each(|(value, bytes)| {
                let bits = u16::from_le_bytes(*bytes);
                *value = if bits & 0x7c00 == 0x7c00 { f32::NAN } else { crate::engine::half(bits) };
            }),
            Self::BF16 => pairs.for_each(|(value, bytes)| {
                *value = f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16);
            }),
        }
        Some(())
    }
}

/// The row that stands at `index` once left and right of each pair take turns.
fn paired(index: usize, rows: usize, heads: usize) -> usize {
    let width = rows / heads.max(1);
    let (head, at) = (index / width.max(1), index % width.max(1));
    head * width + at / 2 + at % 2 * (width / 2)
}

/// Numbers as blocks of [`Kind::Q8Zero`].
fn eight_bits(values: &[f32], blocks: &mut Vec<u8>) {
    blocks.clear();
    for group in values.as_chunks::<GROUP>().0 {
        let most = group.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
        blocks.extend(half_bits(most / 127.0).to_le_bytes());
        blocks.extend(group.map(|value| ((value * inverse).round() as i8).cast_unsigned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_a_head_take_turns() {
        let rows: Vec<usize> = (0..8).map(|row| paired(row, 8, 2)).collect();
        assert_eq!(rows, [0, 2, 1, 3, 4, 6, 5, 7]);
    }

    #[test]
    fn plain_numbers_are_read_in_every_form() {
        let read = |form: Form, bytes: &[u8]| {
            let mut values = [0.0; 2];
            form.numbers(bytes, &mut values).map(|()| values)
        };
        assert_eq!(read(Form::F16, &[0, 0x3c, 0, 0xc0]), Some([1.0, -2.0]));
        assert_eq!(read(Form::BF16, &[0x80, 0x3f, 0, 0xc0]), Some([1.0, -2.0]));
        assert_eq!(read(Form::F32, &[0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]), Some([1.0, -2.0]));
        assert!(read(Form::F16, &[0, 0x7c, 0, 0]).unwrap()[0].is_nan());
        assert_eq!(read(Form::Blocks(Kind::Q4K), &[0; 8]), None);
    }
}
