//! A model that runs in this process.

use std::{ops::ControlFlow, sync::Arc};

use guard_model::generator::{Finish as Ended, GenerationRequest, Generator, GeneratorError, Message};
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};

use super::{Event, Finish, Lane, UpstreamError, Usage};
use crate::{
    dialect::{Answers, Request},
    enforce::Cleared,
};

/// Answers generated at once; more would only share the same cores.
const AT_ONCE: usize = 2;
/// Pieces of text that wait for the door.
const WAITING: usize = 64;
/// The length of an answer when the client names none, in tokens.
const USUAL_LENGTH: usize = 512;

/// A generator and its name on the wire.
pub struct InProcess {
    generator: Arc<Generator>,
    name: String,
    places: Arc<Semaphore>,
}

impl InProcess {
    /// Serves `generator` under `name`.
    pub fn new(generator: Generator, name: String) -> Self {
        Self { generator: Arc::new(generator), name, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Its name on the wire.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn ask(
        &self,
        dialect: &'static dyn Answers,
        request: &Cleared<Request>,
    ) -> Result<LocalEvents, UpstreamError> {
        let choices = request.get().choices;
        let wanted = wanted(&dialect.to_chat(request.get().body())?)?;
        let (sender, receiver) = mpsc::channel(WAITING);
        let (generator, places) = (Arc::clone(&self.generator), Arc::clone(&self.places));
        let work = async move {
            // The client may leave while it waits for its place.
            let place = tokio::select! {
                place = places.acquire_owned() => place,
                () = sender.closed() => return,
            };
            let Ok(_place) = place else { return };
            let _ = tokio::task::spawn_blocking(move || generate(&generator, &wanted, choices, &sender)).await;
        };
        Ok(LocalEvents { receiver, work: Some(Box::pin(work)) })
    }
}

/// An answer that is being generated; dropping it ends the generation at the next token.
pub struct LocalEvents {
    receiver: mpsc::Receiver<Result<Event, UpstreamError>>,
    work: Option<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl LocalEvents {
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Event>>, UpstreamError> {
        loop {
            let Some(work) = &mut self.work else {
                return self.receiver.recv().await.transpose().map(|event| event.map(|event| vec![event]));
            };
            tokio::select! {
                event = self.receiver.recv() => return event.transpose().map(|event| event.map(|event| vec![event])),
                () = work => self.work = None,
            }
        }
    }
}

fn generate(
    generator: &Generator,
    wanted: &GenerationRequest,
    choices: u32,
    sender: &mpsc::Sender<Result<Event, UpstreamError>>,
) {
    let mut usage = Usage::default();
    for choice in 0..choices {
        let mut request = wanted.clone();
        request.seed = wanted.seed.map(|seed| seed.wrapping_add(u64::from(choice)));
        let mut emit = |text: &str| {
            let gone = if text.is_empty() {
                sender.is_closed()
            } else {
                sender.blocking_send(Ok(Event::Text { choice, lane: Lane::Content, text: text.to_owned() })).is_err()
            };
            if gone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        match generator.generate(&request, &mut emit) {
            Ok(generation) => {
                usage.prompt = generation.prompt_tokens as u64;
                usage.completion += generation.completion_tokens as u64;
                let reason = match generation.finish {
                    Ended::Stop => Finish::Stop,
                    Ended::Length => Finish::Length,
                    Ended::Cancelled => return,
                };
                if sender.blocking_send(Ok(Event::Finish { choice, reason })).is_err() {
                    return;
                }
            }
            Err(error) => {
                let error = match error {
                    GeneratorError::TooLong { .. } | GeneratorError::Chat { .. } | GeneratorError::Setting { .. } => {
                        UpstreamError::Unfit(error.to_string())
                    }
                    other => UpstreamError::Unreadable(other.to_string()),
                };
                let _ = sender.blocking_send(Err(error));
                return;
            }
        }
    }
    let _ = sender.blocking_send(Ok(Event::Usage(usage)));
}

/// The settings of a request; tools are read by no template of the models we run, so they are refused.
fn wanted(body: &Value) -> Result<GenerationRequest, UpstreamError> {
    if body.get("tools").and_then(Value::as_array).is_some_and(|tools| !tools.is_empty()) {
        return Err(UpstreamError::Unfit(
            "the model in process cannot call tools; put ringfence in front of a server that can".to_owned(),
        ));
    }
    let messages = body.get("messages").and_then(Value::as_array).into_iter().flatten();
    let messages = messages.map(|message| Message {
        role: message.get("role").and_then(Value::as_str).map_or_else(String::new, role),
        content: message.get("content").map(content).unwrap_or_default(),
    });
    let number = |name: &str| body.get(name).and_then(Value::as_f64);
    let length =
        body.get("max_completion_tokens").filter(|length| !length.is_null()).or_else(|| body.get("max_tokens"));
    let stop = match body.get("stop") {
        Some(Value::String(stop)) => vec![stop.clone()],
        Some(Value::Array(stops)) => stops.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let length = length.and_then(Value::as_u64).and_then(|length| usize::try_from(length).ok());
    Ok(GenerationRequest {
        messages: messages.collect(),
        max_tokens: Some(length.unwrap_or(USUAL_LENGTH)),
        temperature: number("temperature").unwrap_or(0.7),
        top_p: number("top_p").unwrap_or(0.95),
        seed: body.get("seed").and_then(Value::as_u64),
        stop,
    })
}

fn role(role: &str) -> String {
    if role == "developer" { "system".to_owned() } else { role.to_owned() }
}

fn content(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str));
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}
