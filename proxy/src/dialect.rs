//! Wire formats: which paths they own, how their requests are read and their answers written. One format is one file.
//!
//! Every format is read into the same [`Request`], every answer comes as the same events, so that the door sees no
//! difference. A new format is a file here and a line in [`ANSWERS`] or [`VECTORS`].

mod anthropic;
mod family;
pub mod moderations;
mod ollama_chat;
mod ollama_embed;
mod ollama_embeddings;
mod ollama_generate;
mod openai_chat;
mod openai_completions;
mod openai_embeddings;
mod openai_responses;
mod reader;
mod refusal;
mod request;
mod told;
mod translate;

use bytes::Bytes;
use http::Method;
use serde_json::Value;
use uuid::Uuid;

pub use family::{Family, Problem};
pub use reader::{Bounds, FieldPolicy, ReadError, named_model};
pub use refusal::results;
pub use request::{Document, Reading, Request, Texts};
pub use told::Told;

use crate::{
    audit::Timestamp,
    enforce::{Cleared, Passed, Refusal},
    hold::Place,
    upstream::{Event, Finish, UpstreamError, Usage},
};

/// A wire format: a path, the form of its requests and of its errors.
pub trait Dialect: Send + Sync {
    /// Its name in policies and records.
    fn name(&self) -> &'static str;

    /// Its path, here and at an upstream that speaks it.
    fn path(&self) -> &'static str;

    /// Whose format it is.
    fn family(&self) -> Family;

    /// Reads the body of a request: every field is known text, a known setting, or unknown and then treated as text.
    ///
    /// # Errors
    /// The body is not strict JSON, or a field is missing, has the wrong type, an unknown value, or a name that differs
    /// from a known one only by case.
    fn read(&self, body: &[u8], bounds: &Bounds) -> Result<Reading, ReadError>;
}

/// A format in which a generator is asked for answers.
pub trait Answers: Dialect {
    /// The same request as a chat of OpenAI's, for an upstream that does not speak this format.
    ///
    /// # Errors
    /// It asks for something that a chat cannot say.
    fn to_chat(&self, body: &Value) -> Result<Value, UpstreamError>;

    /// How an upstream is asked and read in this format, if there are upstreams that speak it.
    fn wire(&self) -> Option<&'static dyn Wire> {
        None
    }

    /// Begins a streamed answer.
    fn stream(&self, head: Head) -> Box<dyn Stream>;

    /// An answer that is not streamed.
    fn whole(&self, head: &Head, told: &Told, usage: Usage) -> Value;
}

/// A format in which a model is asked for embeddings.
pub trait Vectors: Dialect {
    /// The document with the vectors of a request's inputs, in their order.
    fn vectors(&self, model: &str, asked: &Value, vectors: &[Vec<f64>], usage: Usage) -> Value;

    /// The vectors in an upstream's answer, and what they cost.
    ///
    /// # Errors
    /// It is not a list of lists of numbers.
    fn read_vectors(&self, answer: &Value) -> Result<(Vec<Vec<f64>>, Usage), UpstreamError>;

    /// What an upstream of this format is asked for, where `body` came in it (`native`) or in another one.
    fn ask(&self, body: &Value, native: bool) -> Value;
}

/// An upstream's side of a format.
pub trait Wire: Send + Sync {
    /// Where the upstream is asked.
    fn path(&self) -> &'static str;

    /// Whose format it is.
    fn family(&self) -> Family;

    /// A chat of OpenAI's in this format.
    ///
    /// # Errors
    /// It asks for something that this format cannot say.
    fn of_chat(&self, chat: &Value) -> Result<Value, UpstreamError>;

    /// Begins to read an answer.
    fn reader(&self) -> Box<dyn Listener>;
}

/// Reads an upstream's answer, document by document: the events of a stream, or the one body.
pub trait Listener: Send {
    /// What happens in the next document. Only what we know is kept, everything else stays behind.
    ///
    /// # Errors
    /// It is not strict JSON, not of its format, or reports an error.
    fn hear(&mut self, document: &[u8]) -> Result<Heard, UpstreamError>;
}

/// What a document of an answer says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// What happens, in order.
    pub events: Vec<Event>,
    /// Whether the format says that nothing follows.
    pub ended: bool,
}

/// Writes a streamed answer. Text is taken from nothing but [`Cleared`] pieces and [`Refusal`]s.
pub trait Stream: Send {
    /// A piece of an answer; nothing if there is nothing to say.
    fn piece(&mut self, place: &Place, cleared: &Cleared<Passed>) -> Bytes;

    /// One answer is refused: the refusal's text and the end of that answer.
    fn refused(&mut self, choice: u32, refusal: &Refusal) -> Bytes;

    /// One answer is complete.
    fn finished(&mut self, choice: u32, reason: Finish) -> Bytes;

    /// The end of the stream.
    fn end(&mut self, usage: Usage) -> Bytes;

    /// The frame that says that the stream breaks off; nothing follows it.
    fn broken(&mut self, problem: &Problem) -> Bytes;

    /// A sign of life that says nothing.
    fn quiet(&mut self) -> Bytes;
}

/// What an answer repeats of its request.
#[derive(Debug, Clone)]
pub struct Head {
    /// The exchange.
    pub id: Uuid,
    /// When it was begun.
    pub at: Timestamp,
    /// The model the client asked for.
    pub model: String,
    /// Whether a streamed answer ends with its usage.
    pub include_usage: bool,
}

/// Every format in which answers are asked for.
pub const ANSWERS: &[&dyn Answers] = &[
    &openai_chat::OpenAiChat,
    &openai_completions::OpenAiCompletions,
    &openai_responses::OpenAiResponses,
    &anthropic::Messages,
    &ollama_chat::OllamaChat,
    &ollama_generate::OllamaGenerate,
];

/// Every format in which embeddings are asked for.
pub const VECTORS: &[&dyn Vectors] =
    &[&openai_embeddings::OpenAiEmbeddings, &ollama_embed::OllamaEmbed, &ollama_embeddings::OllamaEmbeddings];

/// The wire on which an upstream of a family is asked when it does not speak the client's format.
pub fn chat_wire(family: Family) -> &'static dyn Wire {
    match family {
        Family::OpenAi => &openai_chat::OpenAiChat,
        Family::Anthropic => &anthropic::Messages,
        Family::Ollama => &ollama_chat::OllamaChat,
    }
}

/// The format in which an upstream of a family is asked for embeddings; Anthropic has none.
pub fn vectors_of(family: Family) -> Option<&'static dyn Vectors> {
    VECTORS.iter().copied().find(|dialect| dialect.family() == family)
}

/// What a path is for. A path that is not here is refused: default deny.
#[derive(Clone, Copy)]
pub enum Route {
    /// Answers of the generator.
    Answers(&'static dyn Answers),
    /// Embeddings.
    Vectors(&'static dyn Vectors),
    /// A verdict of our own guard, in the format of OpenAI's moderations.
    Moderations,
    /// What is known of the models.
    Models(About),
}

/// A question about models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// OpenAI's list, or Anthropic's.
    List,
    /// One of that list.
    One,
    /// Ollama's list.
    Tags,
    /// Ollama's running models.
    Running,
    /// Ollama's description of one model.
    Show,
    /// Ollama's version.
    Version,
}

/// Why a path is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoute {
    /// Nobody owns it.
    Unknown,
    /// Its owner does not take this method.
    Method(&'static str),
}

/// What stands before the name of a model that is asked about.
pub const MODELS: &str = "/v1/models/";
/// The path of one model, whichever it is.
const ONE_MODEL: &str = "/v1/models/{model}";

const PLAIN: &[(&str, &str, Route)] = &[
    ("/v1/moderations", "POST", Route::Moderations),
    ("/v1/models", "GET", Route::Models(About::List)),
    (ONE_MODEL, "GET", Route::Models(About::One)),
    ("/api/tags", "GET", Route::Models(About::Tags)),
    ("/api/ps", "GET", Route::Models(About::Running)),
    ("/api/show", "POST", Route::Models(About::Show)),
    ("/api/version", "GET", Route::Models(About::Version)),
];

/// Finds the owner of a path, compared byte for byte: no trailing slash, no other case, no escapes, no query. A
/// model's name behind [`MODELS`] is the only part that is free.
///
/// # Errors
/// No dialect owns the path, or not with this method.
pub fn route(method: &Method, path: &str) -> Result<(Route, &'static str), NoRoute> {
    let answers = ANSWERS.iter().map(|dialect| (dialect.path(), "POST", Route::Answers(*dialect)));
    let vectors = VECTORS.iter().map(|dialect| (dialect.path(), "POST", Route::Vectors(*dialect)));
    let known = answers.chain(vectors).chain(PLAIN.iter().copied());
    let is_one = path.strip_prefix(MODELS).is_some_and(|name| !name.is_empty());
    let path = if is_one { ONE_MODEL } else { path };
    let found = known.into_iter().find(|(known, ..)| *known == path);
    let (path, allowed, route) = found.ok_or(NoRoute::Unknown)?;
    if method.as_str() == allowed { Ok((route, path)) } else { Err(NoRoute::Method(allowed)) }
}

/// Sets a field of an object.
fn set(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(fields) = object {
        fields.insert(name.to_owned(), value);
    }
}

/// A server-sent event.
fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}

/// A server-sent event with its name.
fn named(name: &str, value: &Value) -> String {
    format!("event: {name}\ndata: {value}\n\n")
}

#[cfg(test)]
mod tests;
