//! Writes the model as a GGUF file that any program for Llamas reads.

use crate::Failure;
use crate::model::{EPSILON, HEADS, INNER, LAYERS, Model, ROPE_BASE, WIDTH};
use crate::prompt;
use crate::vocabulary::{SPECIALS, Vocabulary};
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};

/// Writes weights and vocabulary to `out`.
pub(crate) fn write(model: &Model, vocabulary: &Vocabulary, out: &str) -> Result<(), Failure> {
    let number = |value: usize| Value::U32(value as u32);
    let text = |value: &str| Value::String(value.to_owned());
    let texts = |values: Vec<&str>| Value::Array(values.into_iter().map(text).collect());
    let names: Vec<&str> = vocabulary.names.iter().map(String::as_str).chain(SPECIALS).collect();
    let special = |name: &str| Ok::<_, Failure>(Value::U32(vocabulary.special(name)?));
    let kinds = names.iter().enumerate().map(|(at, _)| Value::I32(if at < vocabulary.names.len() { 1 } else { 3 }));
    let metadata = [
        ("general.architecture", text("llama")),
        ("general.name", text("tiny-guard")),
        ("llama.vocab_size", number(vocabulary.size())),
        ("llama.block_count", number(LAYERS)),
        ("llama.context_length", number(1024)),
        ("llama.embedding_length", number(WIDTH)),
        ("llama.feed_forward_length", number(INNER)),
        ("llama.attention.head_count", number(HEADS)),
        ("llama.attention.head_count_kv", number(HEADS)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(EPSILON as f32)),
        ("llama.rope.dimension_count", number(WIDTH / HEADS)),
        ("llama.rope.freq_base", Value::F32(ROPE_BASE)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("llama-bpe")),
        ("tokenizer.ggml.tokens", texts(names.clone())),
        ("tokenizer.ggml.token_type", Value::Array(kinds.collect())),
        ("tokenizer.ggml.merges", texts(vocabulary.merges.iter().map(String::as_str).collect())),
        ("tokenizer.ggml.bos_token_id", special("<|begin_of_text|>")?),
        ("tokenizer.ggml.eos_token_id", special("<|eot_id|>")?),
        ("tokenizer.chat_template", text(&prompt::chat_template())),
    ];
    let mut tensors: Vec<(&str, QTensor)> = Vec::new();
    for (name, weight) in model.weights() {
        let kind = if weight.rank() == 1 { GgmlDType::F32 } else { GgmlDType::Q8_0 };
        tensors.push((name, QTensor::quantize(weight, kind)?));
    }
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (*key, value)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (*name, tensor)).collect();
    let mut bytes = std::io::Cursor::new(Vec::new());
    gguf_file::write(&mut bytes, &metadata, &tensors)?;
    std::fs::write(out, bytes.into_inner())?;
    Ok(())
}
