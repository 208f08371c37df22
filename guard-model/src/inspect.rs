//! What a GGUF file holds, told without loading its weights.

use crate::GuardError;
use crate::llama::Metadata;
use crate::prompt::Template;
use crate::vocabulary::Vocabulary;
use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::Content;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// What a model's file says of itself, and what it would take to run it here.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Inspection {
    /// The model's name, as its file gives it.
    pub name: Option<String>,
    /// Its architecture.
    pub architecture: String,
    /// Weights, in all tensors.
    pub parameters: u64,
    /// Bytes of tensors of each type.
    pub quantisation: BTreeMap<String, u64>,
    /// Layers.
    pub layers: Option<usize>,
    /// Tokens it was made for.
    pub context: Option<usize>,
    /// Tokens it knows; nothing when its tokenizer is missing or not read here.
    pub vocabulary: Option<usize>,
    /// Has it a chat template?
    pub chat_template: bool,
    /// The template of a guard that fits it.
    pub guard_template: Option<&'static str>,
    /// Bytes its weights will take in memory.
    pub weight_bytes: u64,
    /// Bytes each token of a conversation will take.
    pub token_bytes: u64,
    /// Why it does not run here; nothing when it does.
    pub obstacle: Option<String>,
}

impl Inspection {
    /// Reads the head of the file at `path`.
    ///
    /// # Errors
    /// [`GuardError::Weights`] when it cannot be read or is no GGUF file.
    pub fn of(path: &Path) -> Result<Self, GuardError> {
        let wrong = |reason: String| GuardError::Weights(format!("`{}`: {reason}", path.display()));
        let mut file = BufReader::new(File::open(path).map_err(|error| wrong(error.to_string()))?);
        let header = Content::read(&mut file).map_err(|error| wrong(error.to_string()))?;
        let metadata = Metadata(&header);
        let architecture = metadata.text("general.architecture").unwrap_or_default().to_owned();
        let (mut parameters, mut weight_bytes) = (0_u64, 0_u64);
        let mut quantisation = BTreeMap::new();
        for info in header.tensor_infos.values() {
            let count = info.shape.elem_count() as u64;
            let bytes = |dtype: GgmlDType| count / dtype.block_size() as u64 * dtype.type_size() as u64;
            parameters += count;
            *quantisation.entry(format!("{:?}", info.ggml_dtype).to_uppercase()).or_insert(0) += bytes(info.ggml_dtype);
            // Numbers of 16 and 32 bits are kept as ones of eight, but for the few that are no matrix.
            let kept = match info.ggml_dtype {
                GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16 if info.shape.rank() > 1 => GgmlDType::Q8_0,
                other => other,
            };
            weight_bytes += bytes(kept);
        }
        let shape = metadata.shape();
        let vocabulary = Vocabulary::of_gguf(&metadata);
        let token_bytes =
            shape.as_ref().map_or(0, |shape| (shape.layers * shape.key_heads * shape.head_width * 2 * 4) as u64);
        let chat_template = metadata.text("tokenizer.chat_template");
        let count = |key: &str| metadata.count(&format!("{architecture}.{key}"));
        let obstacle = [shape.as_ref().err(), vocabulary.as_ref().err()].into_iter().flatten().next().cloned();
        Ok(Self {
            name: metadata.text("general.name").map(str::to_owned),
            parameters,
            quantisation,
            layers: count("block_count"),
            context: count("context_length"),
            vocabulary: vocabulary.ok().map(|vocabulary| vocabulary.size()),
            chat_template: chat_template.is_some(),
            guard_template: chat_template.and_then(Template::of_chat_template),
            weight_bytes,
            token_bytes,
            obstacle,
            architecture,
        })
    }
}
