//! The `config.json` of a safetensors directory.

use crate::llama::{Scaling, Shape};
use serde::Deserialize;

/// What the file says of a Llama-architecture model; other fields are not read.
#[derive(Debug, Deserialize)]
pub(crate) struct Config {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    max_position_embeddings: usize,
    rms_norm_eps: f32,
    #[serde(default = "first_base")]
    rope_theta: f32,
    rope_scaling: Option<RopeScaling>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
}

#[derive(Debug, Deserialize)]
struct RopeScaling {
    #[serde(alias = "type")]
    rope_type: String,
    factor: Option<f32>,
    low_freq_factor: Option<f32>,
    high_freq_factor: Option<f32>,
    original_max_position_embeddings: Option<f32>,
}

impl Config {
    /// The model's dimensions, or what is wrong with them in one sentence.
    pub(crate) fn shape(&self) -> Result<Shape, String> {
        if self.model_type != "llama" {
            return Err(format!("`model_type` is `{}`, which does not run here, `llama` does", self.model_type));
        }
        if self.attention_bias || self.mlp_bias {
            return Err("`attention_bias` and `mlp_bias` do not run here".to_owned());
        }
        if self.num_hidden_layers == 0 || self.hidden_size == 0 || self.num_attention_heads == 0 {
            return Err("`num_hidden_layers`, `hidden_size` or `num_attention_heads` is zero".to_owned());
        }
        let shape = Shape {
            layers: self.num_hidden_layers,
            context_length: self.max_position_embeddings,
            width: self.hidden_size,
            heads: self.num_attention_heads,
            key_heads: self.num_key_value_heads.unwrap_or(self.num_attention_heads),
            head_width: self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads),
            rope_base: self.rope_theta,
            scaling: self.scaling()?,
            norm_epsilon: self.rms_norm_eps,
        };
        shape.check()?;
        Ok(shape)
    }

    fn scaling(&self) -> Result<Scaling, String> {
        let Some(scaling) = &self.rope_scaling else { return Ok(Scaling::None) };
        let need = |value: Option<f32>, name: &str| {
            value
                .filter(|value| *value > 0.0)
                .ok_or_else(|| format!("`rope_scaling.{name}` is missing or not above zero"))
        };
        match scaling.rope_type.as_str() {
            "default" => Ok(Scaling::None),
            "linear" => Ok(Scaling::Linear(need(scaling.factor, "factor")?)),
            "llama3" => Ok(Scaling::Waves {
                factor: need(scaling.factor, "factor")?,
                low: need(scaling.low_freq_factor, "low_freq_factor")?,
                high: need(scaling.high_freq_factor, "high_freq_factor")?,
                context: need(scaling.original_max_position_embeddings, "original_max_position_embeddings")?,
            }),
            other => Err(format!("`rope_scaling.rope_type` is `{other}`, which does not run here")),
        }
    }
}

fn first_base() -> f32 {
    10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(scaling: &str) -> Result<Shape, String> {
        let text = format!(
            r#"{{"model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32,
                "num_key_value_heads": 8, "head_dim": 64, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5,
                "rope_theta": 500000.0, "rope_scaling": {scaling}, "tie_word_embeddings": true}}"#
        );
        serde_json::from_str::<Config>(&text).unwrap().shape()
    }

    #[test]
    fn long_contexts_are_read() {
        let llama = r#"{"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192, "rope_type": "llama3"}"#;
        let shape = config(llama).unwrap();
        assert_eq!(shape.scaling, Scaling::Waves { factor: 32.0, low: 1.0, high: 4.0, context: 8192.0 });
        assert_eq!((shape.key_heads, shape.head_width, shape.context_length), (8, 64, 131_072));
        let linear = config(r#"{"type": "linear", "factor": 4.0}"#).unwrap().scaling;
        assert_eq!(linear, Scaling::Linear(4.0));
        assert_eq!(config("null").unwrap().scaling, Scaling::None);
        let error = config(r#"{"rope_type": "yarn", "factor": 4.0}"#).err().unwrap();
        assert!(error.contains("`yarn`"), "{error}");
        let error = config(r#"{"rope_type": "llama3", "factor": 4.0}"#).err().unwrap();
        assert!(error.contains("`rope_scaling.low_freq_factor`"), "{error}");
    }
}
