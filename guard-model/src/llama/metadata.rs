//! What a GGUF file says about its model, read by name and checked.

use candle_core::quantized::gguf_file::{Content, Value};

/// The metadata of a file.
pub(crate) struct Metadata<'a>(pub(crate) &'a Content);

/// The dimensions of a Llama-architecture model.
pub(crate) struct Shape {
    pub(crate) layers: usize,
    /// Tokens the model was made for.
    pub(crate) context_length: usize,
    /// Values of a hidden state.
    pub(crate) width: usize,
    pub(crate) heads: usize,
    /// Heads of keys and values; a divisor of `heads`.
    pub(crate) key_heads: usize,
    pub(crate) head_width: usize,
    pub(crate) rope_width: usize,
    pub(crate) rope_base: f32,
    pub(crate) norm_epsilon: f32,
}

impl Metadata<'_> {
    /// The model's dimensions, or what is wrong with them in one sentence.
    pub(crate) fn shape(&self) -> Result<Shape, String> {
        let architecture = self.text("general.architecture").unwrap_or_default();
        if architecture != "llama" {
            return Err(format!("architecture `{architecture}` does not run here, `llama` does"));
        }
        if self.count("llama.expert_count").unwrap_or(0) > 1 {
            return Err("mixtures of experts (`llama.expert_count`) do not run here".to_owned());
        }
        if let Some(scaling) = self.text("llama.rope.scaling.type").filter(|scaling| *scaling != "none") {
            return Err(format!("`llama.rope.scaling.type` is `{scaling}`, which does not run here"));
        }
        let heads = self.required("llama.attention.head_count")?;
        let key_heads = self.count("llama.attention.head_count_kv").unwrap_or(heads);
        let width = self.required("llama.embedding_length")?;
        if key_heads == 0 || heads % key_heads != 0 || width % heads != 0 {
            return Err(format!("{heads} heads, {key_heads} key heads and a width of {width} do not fit each other"));
        }
        let head_width = self.count("llama.attention.key_length").unwrap_or(width / heads);
        let rope_width = self.count("llama.rope.dimension_count").unwrap_or(head_width);
        if rope_width != head_width || !head_width.is_multiple_of(2) {
            return Err(format!("rotating {rope_width} of {head_width} values of a head is not what runs here"));
        }
        Ok(Shape {
            layers: self.required("llama.block_count")?,
            context_length: self.required("llama.context_length")?,
            width,
            heads,
            key_heads,
            head_width,
            rope_width,
            rope_base: self.real("llama.rope.freq_base").unwrap_or(10_000.0),
            norm_epsilon: self
                .real("llama.attention.layer_norm_rms_epsilon")
                .ok_or("`llama.attention.layer_norm_rms_epsilon` is missing from the file")?,
        })
    }

    /// The text under `key`.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.0.metadata.get(key)?.to_string().ok().map(String::as_str)
    }

    /// The whole number under `key`, whatever integer type the file gave it.
    pub(crate) fn count(&self, key: &str) -> Option<usize> {
        whole(self.0.metadata.get(key)?)
    }

    /// The yes or no under `key`.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.0.metadata.get(key)?.to_bool().ok()
    }

    /// The list of texts under `key`.
    pub(crate) fn texts(&self, key: &str) -> Option<Vec<&str>> {
        let values = self.0.metadata.get(key)?.to_vec().ok()?;
        values.iter().map(|value| value.to_string().ok().map(String::as_str)).collect()
    }

    /// The list of whole numbers under `key`.
    pub(crate) fn counts(&self, key: &str) -> Option<Vec<usize>> {
        self.0.metadata.get(key)?.to_vec().ok()?.iter().map(whole).collect()
    }

    fn real(&self, key: &str) -> Option<f32> {
        self.0.metadata.get(key)?.to_f32().ok()
    }

    fn required(&self, key: &str) -> Result<usize, String> {
        self.count(key).filter(|count| *count > 0).ok_or_else(|| format!("`{key}` is missing from the file"))
    }
}

fn whole(value: &Value) -> Option<usize> {
    match *value {
        Value::U8(number) => Some(number.into()),
        Value::U16(number) => Some(number.into()),
        Value::U32(number) => number.try_into().ok(),
        Value::U64(number) => number.try_into().ok(),
        Value::I8(number) => number.try_into().ok(),
        Value::I16(number) => number.try_into().ok(),
        Value::I32(number) => number.try_into().ok(),
        Value::I64(number) => number.try_into().ok(),
        Value::F32(_) | Value::F64(_) | Value::Bool(_) | Value::String(_) | Value::Array(_) => None,
    }
}
