//! The in-process generator: a Llama-architecture model in a GGUF file answers chats on the processor.
//!
//! The file is all it needs: weights, tokenizer and chat template come from it. Small and plain on purpose; who wants
//! more models runs a server and names it as the upstream.
//!
//! # Limits
//! The context is the file's, but never more than 8192 tokens, which bounds the memory of a call (SmolLM2-135M: 46 kB
//! a token). Calls may run at the same time, each with a cache of its own; they share the processor's threads.

mod error;
mod template;
mod text;

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::Path;

use candle_core::quantized::gguf_file::Content;
use candle_core::{Device, Tensor};
use candle_transformers::generation::LogitsProcessor;

use crate::GuardError;
use crate::llama::{Llama, Metadata};
use crate::vocabulary::Vocabulary;
pub use error::GeneratorError;
use template::Template;
use text::{Shown, Text};

/// A model, ready to answer. Any number of threads may ask it at the same time.
pub struct Generator {
    name: String,
    context_length: usize,
    llama: Llama,
    template: Template,
    vocabulary: Vocabulary,
}

/// One message of a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks, in the template's words: `system`, `user`, `assistant`.
    pub role: String,
    /// What is said: always plain text, also where it looks like a special token.
    pub content: String,
}

/// What to answer, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationRequest {
    /// The chat, in order.
    pub messages: Vec<Message>,
    /// Most tokens of the answer; without it, what the context has left.
    pub max_tokens: Option<usize>,
    /// How freely a token is drawn: 0 takes the likeliest, 1 draws by the model's own odds.
    pub temperature: f64,
    /// Draw only among the likeliest tokens which together have this much of the odds, from above 0 to 1.
    pub top_p: f64,
    /// The same seed draws the same answer; without one, every answer is another.
    pub seed: Option<u64>,
    /// Texts that end the answer before them.
    pub stop: Vec<String>,
}

/// How an answer went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// Why it ended.
    pub finish: Finish,
    /// Tokens of the rendered chat.
    pub prompt_tokens: usize,
    /// Tokens of the answer, the one that ended it among them.
    pub completion_tokens: usize,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model was done, or a stop text came.
    Stop,
    /// It had as many tokens as it may have.
    Length,
    /// Whoever took the text wanted no more.
    Cancelled,
}

impl Generator {
    /// Reads the model in the GGUF file at `path`: some tenths of a second for a small one.
    ///
    /// # Errors
    /// When the file cannot be read, is no GGUF file, or holds a model that does not run here.
    pub fn open(path: &Path) -> Result<Generator, GeneratorError> {
        let unreadable = |error| GeneratorError::File { path: path.to_owned(), error };
        let strange = |error| GeneratorError::Format { path: path.to_owned(), error };
        let foreign = |reason| GeneratorError::Model { path: path.to_owned(), reason };

        let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
        let content = Content::read(&mut file).map_err(strange)?;
        let metadata = Metadata(&content);
        let shape = metadata.shape().map_err(foreign)?;
        let vocabulary = Vocabulary::of_gguf(&metadata).map_err(foreign)?;
        let source = metadata
            .text("tokenizer.chat_template")
            .ok_or_else(|| foreign("it has no chat template (`tokenizer.chat_template`)".to_owned()))?;
        let template = Template::parse(source, &vocabulary).map_err(|error| foreign(error.to_string()))?;
        let context_length = shape.context_length.min(MAX_CONTEXT);
        let llama = Llama::read(&content, shape, &mut file).map_err(strange)?;
        let stem = || path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let name = metadata.text("general.name").map_or_else(stem, str::to_owned);
        Ok(Generator { name, context_length, llama, template, vocabulary })
    }

    /// The model's name, as its file gives it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tokens a chat and its answer may have together.
    pub fn context_length(&self) -> usize {
        self.context_length
    }

    /// Answers a chat, handing the text to `emit` as it comes.
    ///
    /// `emit` is called at least once for every token, and between the parts of a long prompt, with the empty text when
    /// there is nothing to show; when it breaks, the answer ends there. It never gets part of a character nor any
    /// of a stop text.
    ///
    /// # Errors
    /// When a setting is out of range, the template refuses the chat, or the chat does not fit the context.
    pub fn generate(
        &self,
        request: &GenerationRequest,
        emit: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Generation, GeneratorError> {
        check(request)?;
        let refused = |error: minijinja::Error| GeneratorError::Chat { reason: error.to_string() };
        let prompt = self.template.prompt(&request.messages, &self.vocabulary).map_err(refused)?;
        let room = self.context_length.saturating_sub(prompt.len());
        if room == 0 {
            return Err(GeneratorError::TooLong { prompt: prompt.len(), context: self.context_length });
        }
        let most = request.max_tokens.map_or(room, |most| most.min(room));
        let ended =
            |finish, completion_tokens| Ok(Generation { finish, prompt_tokens: prompt.len(), completion_tokens });

        let mut cache = self.llama.cache();
        let mut logits = None;
        for part in prompt.chunks(PROMPT_PART) {
            if emit("").is_break() {
                return ended(Finish::Cancelled, 0);
            }
            logits = Some(self.llama.forward(part, &mut cache)?);
        }
        let mut sampler = sampler(request);
        let mut text = Text::new(&request.stop);
        let mut count = 0;
        while let Some(scores) = logits.take().filter(|_| count < most) {
            let token = draw(&mut sampler, &scores)?;
            count += 1;
            if self.vocabulary.is_end(token) {
                return ended(if emit(&text.finish()).is_break() { Finish::Cancelled } else { Finish::Stop }, count);
            }
            let flow = match text.push(self.vocabulary.bytes(token)) {
                Shown::More(more) => emit(&more),
                Shown::Last(last) => {
                    return ended(if emit(&last).is_break() { Finish::Cancelled } else { Finish::Stop }, count);
                }
            };
            if flow.is_break() {
                return ended(Finish::Cancelled, count);
            }
            if count < most {
                logits = Some(self.llama.forward(&[token], &mut cache)?);
            }
        }
        ended(if emit(&text.finish()).is_break() { Finish::Cancelled } else { Finish::Length }, count)
    }
}

fn check(request: &GenerationRequest) -> Result<(), GeneratorError> {
    if !(0.0..=100.0).contains(&request.temperature) {
        return Err(GeneratorError::Setting {
            setting: "temperature",
            value: request.temperature,
            range: "from 0 to 100",
        });
    }
    if !(request.top_p > 0.0 && request.top_p <= 1.0) {
        return Err(GeneratorError::Setting { setting: "top_p", value: request.top_p, range: "above 0, up to 1" });
    }
    Ok(())
}

fn draw(sampler: &mut LogitsProcessor, scores: &[f32]) -> Result<u32, GuardError> {
    Ok(sampler.sample(&Tensor::new(scores, &Device::Cpu)?)?)
}

fn sampler(request: &GenerationRequest) -> LogitsProcessor {
    let seed = request.seed.unwrap_or_else(|| RandomState::new().hash_one(0));
    LogitsProcessor::new(seed, Some(request.temperature), Some(request.top_p))
}

/// Most tokens of context, whatever the file says.
const MAX_CONTEXT: usize = 8192;

/// Tokens of a prompt fed at once.
const PROMPT_PART: usize = 256;

#[cfg(test)]
mod tests;
