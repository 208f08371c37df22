//! Putting a Llama Guard together.

use super::answers::Answers;
use super::head::Heads;
use super::{LlamaGuard, Measure, Scale};
use crate::GuardError;
use crate::llama::{Llama, Metadata};
use crate::prompt::{Categories, Message, Template};
use crate::vocabulary::Vocabulary;
use candle_core::quantized::gguf_file::Content;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// What an operator says about a Llama Guard beyond its file.
#[derive(Debug, Clone, Default)]
pub struct LlamaGuardOptions {
    /// The template's name; without it, the one that fits the file's chat template.
    pub template: Option<String>,
    /// The tokenizer's file; without it, the model's own.
    pub tokenizer: Option<PathBuf>,
    /// The categories; without them, the template's.
    pub categories: Option<Categories>,
    /// Codes of categories that are left out.
    pub excluded: Vec<String>,
}

impl LlamaGuard {
    /// Loads the guard in the GGUF file or safetensors folder at `path`.
    ///
    /// # Errors
    /// [`GuardError::Weights`] when the model does not run here or no template fits it, [`GuardError::Vocabulary`] when
    /// its tokenizer is missing or tells no verdict in single tokens, [`GuardError::Prompt`] when a template or category
    /// that was named is unknown.
    pub fn open(path: &Path, options: &LlamaGuardOptions) -> Result<Self, GuardError> {
        let about = About::read(path)?;
        let name = match (&options.template, &about.template) {
            (Some(name), _) => name.as_str(),
            (None, Some(known)) => known,
            (None, None) => {
                let known: Vec<&str> = Template::names().filter(|name| name.ends_with("canonical")).collect();
                let reason = "its chat template is of no guard known here; name one of";
                return Err(GuardError::Weights(format!("`{}`: {reason} {}", path.display(), known.join(", "))));
            }
        };
        let template = Template::named(name)?;
        if !template.asks_a_guard() {
            return Err(GuardError::Weights(format!("template `{name}` asks no guard for a verdict")));
        }
        let tokenizer = options.tokenizer.as_deref().unwrap_or(&about.tokenizer);
        let vocabulary = Vocabulary::open(tokenizer)?;
        let categories = match &options.categories {
            Some(categories) => categories.clone(),
            None => Categories::named(template.taxonomy())?,
        };
        let scale = Scale::new(categories.without(&options.excluded)?)?;
        let answers = Answers::new(&vocabulary, scale.categories())?;
        let heads = Heads::new(&template, scale.categories(), &vocabulary)?;
        let longest = about.context.min(MOST_TOKENS);
        let own = template.render(&[Message::new("user", "")], scale.categories())?.ids(&vocabulary)?.len();
        let small = || format!("`{}`: its {longest} tokens leave no room beside the template's {own}", path.display());
        let measure = Measure::fitting(longest.saturating_sub(own + answers.room()));
        let measure = measure.ok_or_else(|| GuardError::Weights(small()))?;
        let llama = Llama::open(path)?;
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let version = format!("{stem} ({name})");
        Ok(Self { llama, vocabulary, template, scale, answers, heads, measure, longest, version })
    }
}

/// What a model's files say beside its weights.
struct About {
    context: usize,
    /// The template that fits, if one is known.
    template: Option<&'static str>,
    tokenizer: PathBuf,
}

impl About {
    fn read(path: &Path) -> Result<Self, GuardError> {
        let wrong = |reason: String| GuardError::Weights(format!("`{}`: {reason}", path.display()));
        if path.is_dir() {
            let read = |name: &str| std::fs::read_to_string(path.join(name)).ok();
            let json = |name: &str| read(name).and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
            let config = json("config.json").ok_or_else(|| wrong("it has no readable `config.json`".to_owned()))?;
            let context = config.get("max_position_embeddings").and_then(serde_json::Value::as_u64);
            let context = context.and_then(|context| usize::try_from(context).ok());
            let context = context.ok_or_else(|| wrong("`max_position_embeddings` is missing".to_owned()))?;
            let template = read("chat_template.jinja").or_else(|| {
                let config = json("tokenizer_config.json")?;
                config.get("chat_template")?.as_str().map(str::to_owned)
            });
            let template = template.and_then(|source| Template::of_chat_template(&source));
            return Ok(Self { context, template, tokenizer: path.join("tokenizer.json") });
        }
        let mut file = BufReader::new(File::open(path).map_err(|error| wrong(error.to_string()))?);
        let header = Content::read(&mut file).map_err(|error| wrong(error.to_string()))?;
        let metadata = Metadata(&header);
        let context = metadata.count("llama.context_length");
        let context = context.ok_or_else(|| wrong("`llama.context_length` is missing from the file".to_owned()))?;
        let template = metadata.text("tokenizer.chat_template").and_then(Template::of_chat_template);
        Ok(Self { context, template, tokenizer: path.to_owned() })
    }
}

/// Most tokens of a prompt, whatever the model was made for: it bounds the memory of a verdict. Windows are shorter.
const MOST_TOKENS: usize = 16_384;
