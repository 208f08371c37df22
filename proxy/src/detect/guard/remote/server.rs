//! The formats in which servers complete a prompt and tell the odds of the next token.

use serde_json::{Value, json};

use crate::config::GuardServer as Server;

/// A prompt: as tokens where the tokenizer is known here, else as text that cannot name a special token.
#[derive(Debug, Clone)]
pub(super) enum Asked {
    Ids(Vec<u32>),
    Text(String),
}

/// The likeliest next tokens and the logarithms of their odds, likeliest first.
pub(super) type Odds = Vec<(String, f32)>;

impl Server {
    /// Where it is asked.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::LlamaServer => "/completion",
            Self::Auto | Self::Vllm => "/v1/completions",
            Self::Ollama => "/api/generate",
        }
    }

    /// Where it says that it is well.
    pub(super) fn health(self) -> &'static str {
        match self {
            Self::LlamaServer => "/health",
            Self::Auto | Self::Vllm => "/v1/models",
            Self::Ollama => "/api/version",
        }
    }

    /// The question for one token and its odds, after a prompt whose beginning it may keep.
    pub(super) fn question(self, model: Option<&str>, asked: &Asked) -> Value {
        let prompt = match asked {
            Asked::Ids(ids) => json!(ids),
            Asked::Text(text) => json!(text),
        };
        match self {
            Self::LlamaServer => json!({
                "prompt": prompt, "n_predict": 1, "n_probs": ODDS, "temperature": 0.0, "cache_prompt": true,
                "stream": false,
            }),
            Self::Auto | Self::Vllm => json!({
                "model": model.unwrap_or("guard"), "prompt": prompt, "max_tokens": 1, "temperature": 0.0,
                "logprobs": ODDS, "stream": false,
            }),
            Self::Ollama => json!({
                "model": model.unwrap_or("llama-guard3"), "prompt": prompt, "raw": true, "stream": false,
                "logprobs": true, "top_logprobs": ODDS, "options": {"num_predict": 1, "temperature": 0},
                "keep_alive": "30m",
            }),
        }
    }

    /// The odds in an answer; nothing when it tells none.
    pub(super) fn odds(self, answer: &Value) -> Option<Odds> {
        let mut odds = match self {
            Self::LlamaServer => {
                let first = answer.get("completion_probabilities")?.get(0)?;
                match first.get("top_logprobs").or_else(|| first.get("probs")) {
                    Some(list) => list.as_array()?.iter().map(named).collect::<Option<Odds>>()?,
                    None => vec![named(first)?],
                }
            }
            Self::Ollama => {
                let first = answer.get("logprobs")?.get(0)?;
                first.get("top_logprobs")?.as_array()?.iter().map(named).collect::<Option<Odds>>()?
            }
            Self::Auto | Self::Vllm => {
                let top = answer.get("choices")?.get(0)?.get("logprobs")?.get("top_logprobs")?.get(0)?.as_object()?;
                let odds = top.iter().map(|(token, odds)| Some((token.clone(), odds.as_f64()? as f32)));
                odds.collect::<Option<Odds>>()?
            }
        };
        odds.sort_by(|one, other| other.1.total_cmp(&one.1));
        (!odds.is_empty() && odds.iter().all(|(_, odds)| !odds.is_nan())).then_some(odds)
    }
}

/// A token and the logarithm of its odds, in the names that servers have for them.
fn named(entry: &Value) -> Option<(String, f32)> {
    let token = entry.get("token").or_else(|| entry.get("tok_str"))?.as_str()?;
    let number = |key: &str| entry.get(key).and_then(Value::as_f64);
    let odds = number("logprob").or_else(|| Some(number("prob")?.ln()))?;
    Some((token.to_owned(), odds as f32))
}

/// How many of the likeliest tokens are told; the most that vLLM tells.
const ODDS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_tells_its_odds_in_its_own_way() {
        let answers = [
            (
                Server::LlamaServer,
                json!({"content": "safe", "completion_probabilities": [{"token": "safe", "logprob": -0.1, "top_logprobs":
                [{"id": 2, "token": "unsafe", "logprob": -2.5}, {"id": 1, "token": "safe", "logprob": -0.1}]}]}),
            ),
            (
                Server::LlamaServer,
                json!({"completion_probabilities": [{"content": "safe", "probs":
                [{"tok_str": "safe", "prob": (-0.1_f32).exp()}, {"tok_str": "unsafe", "prob": (-2.5_f32).exp()}]}]}),
            ),
            (
                Server::Vllm,
                json!({"choices": [{"text": "safe", "logprobs": {"top_logprobs": [{"unsafe": -2.5, "safe": -0.1}]}}]}),
            ),
            (
                Server::Ollama,
                json!({"response": "safe", "logprobs": [{"token": "safe", "logprob": -0.1, "top_logprobs":
                [{"token": "safe", "logprob": -0.1}, {"token": "unsafe", "logprob": -2.5}]}]}),
            ),
        ];
        for (server, answer) in answers {
            let odds = server.odds(&answer).unwrap();
            assert_eq!((odds[0].0.as_str(), odds[1].0.as_str()), ("safe", "unsafe"), "{server:?}");
            assert!((odds[0].1 + 0.1).abs() < 1e-5 && (odds[1].1 + 2.5).abs() < 1e-5, "{odds:?}");
            assert!(server.odds(&json!({"choices": [], "response": "safe"})).is_none());
        }
    }
}
