//! The guard's one file: a GGUF container with the encoder's tensors, the vocabulary, and the heads.

use crate::GuardError;
use crate::engine::Kind;
use candle_core::quantized::QTensor;
use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::{Device, Tensor};
use std::collections::HashMap;
use std::io::Cursor;

/// A GGUF file in memory.
pub struct WeightsFile<'a> {
    bytes: &'a [u8],
    content: Content,
    reader: Cursor<&'a [u8]>,
}

impl<'a> WeightsFile<'a> {
    /// Reads the directory of the file; the tensors are read one by one later.
    ///
    /// # Errors
    /// [`GuardError::Weights`] when the bytes are not GGUF.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, GuardError> {
        let mut reader = Cursor::new(bytes);
        let content = Content::read(&mut reader).map_err(|error| GuardError::Weights(error.to_string()))?;
        Ok(Self { bytes, content, reader })
    }

    /// Names of all tensors, sorted.
    pub fn tensor_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.content.tensor_infos.keys().cloned().collect();
        names.sort();
        names
    }

    /// All metadata of the file.
    pub fn metadata(&self) -> &HashMap<String, Value> {
        &self.content.metadata
    }

    /// A tensor as it is stored.
    ///
    /// # Errors
    /// [`GuardError::Weights`] naming the tensor when it is missing or cut short.
    pub fn quantized(&mut self, name: &str) -> Result<QTensor, GuardError> {
        self.content
            .tensor(&mut self.reader, name, &Device::Cpu)
            .map_err(|error| GuardError::Weights(format!("tensor `{name}`: {error}")))
    }

    /// Rows of a tensor of two dimensions.
    ///
    /// # Errors
    /// [`GuardError::Weights`] naming the tensor when it is missing or has another number of dimensions.
    pub fn rows(&self, name: &str) -> Result<usize, GuardError> {
        let shape = self.content.tensor_infos.get(name).map(|info| info.shape.dims());
        match shape {
            Some([rows, _]) => Ok(*rows),
            _ => Err(GuardError::Weights(format!("tensor `{name}` is missing or has not two dimensions"))),
        }
    }

    /// The bytes of a tensor of `rows` by `columns` quantised weights, as the file has them, and their type.
    ///
    /// # Errors
    /// [`GuardError::Weights`] naming the tensor when it is missing, of another type or shape, or cut short.
    pub(crate) fn blocks(&self, name: &str, rows: usize, columns: usize) -> Result<(Kind, &'a [u8]), GuardError> {
        let wrong = |reason: &str| GuardError::Weights(format!("tensor `{name}` {reason}"));
        let info = self.content.tensor_infos.get(name).ok_or_else(|| wrong("is missing"))?;
        let kind = Kind::of(info.ggml_dtype).ok_or_else(|| wrong("is not quantised in a type that is read"))?;
        if info.shape.dims() != [rows, columns] {
            return Err(wrong(&format!("is not {rows} by {columns} weights")));
        }
        let length = rows * columns / info.ggml_dtype.block_size() * info.ggml_dtype.type_size();
        usize::try_from(self.content.tensor_data_offset + info.offset)
            .ok()
            .and_then(|start| self.bytes.get(start..start.checked_add(length)?))
            .map(|bytes| (kind, bytes))
            .ok_or_else(|| wrong("is cut short"))
    }

    /// A tensor as 32-bit floats.
    ///
    /// # Errors
    /// As [`WeightsFile::quantized`].
    pub fn tensor(&mut self, name: &str) -> Result<Tensor, GuardError> {
        Ok(self.quantized(name)?.dequantize(&Device::Cpu)?)
    }

    /// A tensor's values in row order.
    ///
    /// # Errors
    /// As [`WeightsFile::quantized`].
    pub fn floats(&mut self, name: &str) -> Result<Vec<f32>, GuardError> {
        Ok(self.tensor(name)?.flatten_all()?.to_vec1()?)
    }

    /// A whole number from the metadata.
    ///
    /// # Errors
    /// [`GuardError::Weights`] naming the key when it is missing or of another type.
    pub fn number(&self, key: &str) -> Result<u32, GuardError> {
        self.value(key)?.to_u32().map_err(|error| wrong(key, &error))
    }

    /// A list of texts from the metadata.
    ///
    /// # Errors
    /// As [`WeightsFile::number`].
    pub fn texts(&self, key: &str) -> Result<Vec<String>, GuardError> {
        self.list(key, |value| value.to_string().cloned())
    }

    /// A list of fractions from the metadata.
    ///
    /// # Errors
    /// As [`WeightsFile::number`].
    pub fn fractions(&self, key: &str) -> Result<Vec<f32>, GuardError> {
        self.list(key, Value::to_f32)
    }

    /// A list of whole numbers from the metadata.
    ///
    /// # Errors
    /// As [`WeightsFile::number`].
    pub fn numbers(&self, key: &str) -> Result<Vec<u32>, GuardError> {
        self.list(key, Value::to_u32)
    }

    fn list<T>(&self, key: &str, read: impl Fn(&Value) -> candle_core::Result<T>) -> Result<Vec<T>, GuardError> {
        let values = self.value(key)?.to_vec().map_err(|error| wrong(key, &error))?;
        values.iter().map(read).collect::<Result<_, _>>().map_err(|error| wrong(key, &error))
    }

    fn value(&self, key: &str) -> Result<&Value, GuardError> {
        self.content.metadata.get(key).ok_or_else(|| GuardError::Weights(format!("`{key}` is missing")))
    }
}

fn wrong(key: &str, error: &candle_core::Error) -> GuardError {
    GuardError::Weights(format!("`{key}`: {error}"))
}
