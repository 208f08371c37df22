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
    pub(crate) rope_base: f32,
    pub(crate) scaling: Scaling,
    pub(crate) norm_epsilon: f32,
}

/// How the turns of a model that was made for a shorter context are slowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scaling {
    None,
    /// All by the same factor.
    Linear(f32),
    /// Llama 3.1 and later: waves longer than `context / low` by the factor, those shorter than `context / high` not at
    /// all, and what lies between in part.
    Waves {
        factor: f32,
        low: f32,
        high: f32,
        context: f32,
    },
}

impl Scaling {
    /// A frequency, slowed.
    pub(crate) fn apply(self, frequency: f32) -> f32 {
        match self {
            Self::None => frequency,
            Self::Linear(factor) => frequency / factor,
            Self::Waves { factor, low, high, context } => {
                let wave = std::f32::consts::TAU / frequency;
                if wave < context / high {
                    frequency
                } else if wave > context / low {
                    frequency / factor
                } else {
                    let share = (context / wave - low) / (high - low);
                    (1.0 - share) * frequency / factor + share * frequency
                }
            }
        }
    }
}

impl Shape {
    /// Whether the sizes fit each other; else in one sentence which do not.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { heads, key_heads, width, head_width, .. } = *self;
        if key_heads == 0 || heads % key_heads != 0 || width % heads != 0 {
            return Err(format!("{heads} heads, {key_heads} key heads and a width of {width} do not fit each other"));
        }
        if !head_width.is_multiple_of(2) || head_width == 0 || head_width > MOST_HEAD {
            return Err(format!("heads of {head_width} values do not run here"));
        }
        if self.layers > MOST_LAYERS || width > MOST_WIDTH || heads > MOST_WIDTH {
            return Err(format!("{} layers of {width} values in {heads} heads are more than run here", self.layers));
        }
        Ok(())
    }
}

/// Sizes far beyond any model's, so that a file cannot ask for more memory than there is.
const MOST_HEAD: usize = 1024;
const MOST_LAYERS: usize = 1024;
const MOST_WIDTH: usize = 1 << 20;

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
        let heads = self.required("llama.attention.head_count")?;
        let key_heads = self.count("llama.attention.head_count_kv").unwrap_or(heads);
        let width = self.required("llama.embedding_length")?;
        let head_width = self.count("llama.attention.key_length").unwrap_or(width / heads);
        let rope_width = self.count("llama.rope.dimension_count").unwrap_or(head_width);
        if rope_width != head_width {
            return Err(format!("rotating {rope_width} of {head_width} values of a head is not what runs here"));
        }
        let shape = Shape {
            layers: self.required("llama.block_count")?,
            context_length: self.required("llama.context_length")?,
            width,
            heads,
            key_heads,
            head_width,
            rope_base: self.real("llama.rope.freq_base").unwrap_or(10_000.0),
            scaling: self.scaling()?,
            norm_epsilon: self
                .real("llama.attention.layer_norm_rms_epsilon")
                .ok_or("`llama.attention.layer_norm_rms_epsilon` is missing from the file")?,
        };
        shape.check()?;
        Ok(shape)
    }

    fn scaling(&self) -> Result<Scaling, String> {
        let need = |name: &str| {
            let key = format!("llama.rope.scaling.{name}");
            let value = self.real(&key).or_else(|| self.count(&key).map(|count| count as f32));
            value.filter(|value| *value > 0.0).ok_or_else(|| format!("`{key}` is missing or not above zero"))
        };
        match self.text("llama.rope.scaling.type") {
            None | Some("none") => Ok(Scaling::None),
            Some("linear") => Ok(Scaling::Linear(need("factor")?)),
            Some("llama3") => Ok(Scaling::Waves {
                factor: need("factor")?,
                low: need("low_freq_factor")?,
                high: need("high_freq_factor")?,
                context: need("original_context_length")?,
            }),
            Some(other) => Err(format!("`llama.rope.scaling.type` is `{other}`, which does not run here")),
        }
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
