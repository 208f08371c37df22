//! Reading an upstream's answer: only what we know is kept, everything else stays behind.

use serde_json::Value;

use crate::{
    json,
    upstream::{Event, Finish, Lane, UpstreamError, Usage},
};

/// The most answers and tool calls an upstream may number.
const MOST: u64 = 128;

/// Reads the data of one streamed event, or the body of an answer that is not streamed.
///
/// # Errors
/// It is not strict JSON, has no choices where it needs some, or is an error report.
pub fn read(data: &[u8]) -> Result<Vec<Event>, UpstreamError> {
    let chunk = json::parse(data).map_err(|error| UpstreamError::Unreadable(error.to_string()))?;
    if chunk.get("error").is_some_and(|error| !error.is_null()) {
        return Err(UpstreamError::Reported);
    }
    let mut events = Vec::new();
    let choices = chunk.get("choices").and_then(Value::as_array);
    let usage = chunk.get("usage").filter(|usage| usage.is_object());
    if choices.is_none() && usage.is_none() {
        return Err(UpstreamError::Unreadable("it has neither `choices` nor `usage`".to_owned()));
    }
    for choice in choices.into_iter().flatten() {
        read_choice(choice, &mut events)?;
    }
    if let Some(usage) = usage {
        let count = |name| usage.get(name).and_then(Value::as_u64).unwrap_or_default();
        events.push(Event::Usage(Usage { prompt: count("prompt_tokens"), completion: count("completion_tokens") }));
    }
    Ok(events)
}

fn read_choice(choice: &Value, events: &mut Vec<Event>) -> Result<(), UpstreamError> {
    let index = number(choice, "index", 0)?;
    let said = choice.get("delta").or_else(|| choice.get("message")).unwrap_or(&Value::Null);
    let lanes = [
        ("reasoning_content", Lane::Reasoning),
        ("reasoning", Lane::Reasoning),
        ("content", Lane::Content),
        ("refusal", Lane::Refusal),
    ];
    for (name, lane) in lanes {
        match said.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if text.is_empty() => {}
            Some(Value::String(text)) => events.push(Event::Text { choice: index, lane, text: text.clone() }),
            Some(_) => return Err(UpstreamError::Unreadable(format!("`{name}` is not a string"))),
        }
    }
    // A whole answer's calls have no index but their place.
    for (call, place) in said.get("tool_calls").and_then(Value::as_array).into_iter().flatten().zip(0..) {
        let id = call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned);
        events.push(tool_call(index, number(call, "index", place)?, id, call.get("function")));
    }
    if let Some(call) = said.get("function_call").filter(|call| call.is_object()) {
        events.push(tool_call(index, LEGACY, None, Some(call)));
    }
    if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
        events.push(Event::Finish { choice: index, reason: Finish::read(reason) });
    }
    Ok(())
}

/// The index that stands for the older `function_call`.
pub const LEGACY: u32 = u32::MAX;

fn tool_call(choice: u32, index: u32, id: Option<String>, function: Option<&Value>) -> Event {
    let text = |name| match function.and_then(|function| function.get(name)) {
        Some(Value::String(text)) => text.clone(),
        // Some servers send arguments as an object; its text is what counts.
        Some(value) if !value.is_null() => value.to_string(),
        _ => String::new(),
    };
    Event::ToolCall { choice, index, id, name: text("name"), arguments: text("arguments") }
}

fn number(value: &Value, name: &str, otherwise: u32) -> Result<u32, UpstreamError> {
    match value.get(name) {
        None | Some(Value::Null) => Ok(otherwise),
        Some(index) => index
            .as_u64()
            .filter(|index| *index < MOST)
            .and_then(|index| u32::try_from(index).ok())
            .ok_or_else(|| UpstreamError::Unreadable(format!("`{name}` is not a number below {MOST}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::{LEGACY, read};
    use crate::upstream::{Event, Finish, Lane, UpstreamError, Usage};

    #[test]
    fn whole_answers_and_pieces_read_alike() {
        let expected = vec![
            Event::Text { choice: 0, lane: Lane::Reasoning, text: "hm".into() },
            Event::Text { choice: 0, lane: Lane::Content, text: "hi".into() },
            Event::ToolCall { choice: 0, index: 0, id: Some("c1".into()), name: "f".into(), arguments: "{}".into() },
            Event::Finish { choice: 0, reason: Finish::ToolCalls },
            Event::Usage(Usage { prompt: 3, completion: 4 }),
        ];
        for said in ["delta", "message"] {
            let body = format!(
                r#"{{"choices":[{{"index":0,"{said}":{{"content":"hi","reasoning_content":"hm","tool_calls":[{{"id":"c1","function":{{"name":"f","arguments":"{{}}"}}}}],"odd":"x"}},"finish_reason":"tool_calls"}}],"usage":{{"prompt_tokens":3,"completion_tokens":4}}}}"#
            );
            assert_eq!(read(body.as_bytes()).unwrap(), expected);
        }
    }

    #[test]
    fn the_older_function_call_is_read() {
        let events = read(br#"{"choices":[{"delta":{"function_call":{"name":"f","arguments":"{"}}}]}"#).unwrap();
        let call = Event::ToolCall { choice: 0, index: LEGACY, id: None, name: "f".into(), arguments: "{".into() };
        assert_eq!(events, [call]);
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        assert!(matches!(read(br#"{"error":{"message":"x"}}"#), Err(UpstreamError::Reported)));
        for bad in [
            "{}",
            r#"{"choices":[{"index":-1}]}"#,
            r#"{"choices":[{"index":4000000000}]}"#,
            r#"{"choices":[{"delta":{"content":["x"]}}]}"#,
            r#"{"choices":[],"choices":[]}"#,
            "nonsense",
        ] {
            assert!(matches!(read(bad.as_bytes()), Err(UpstreamError::Unreadable(_))), "{bad}");
        }
    }
}
