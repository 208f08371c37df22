//! What happens in an answer, whatever its wire format.

/// One thing that happens in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Text is added.
    Text {
        /// Which of several answers, from 0.
        choice: u32,
        /// Where to.
        lane: Lane,
        /// The text.
        text: String,
    },
    /// A tool call begins, is named, or its arguments go on.
    ToolCall {
        /// Which of several answers, from 0.
        choice: u32,
        /// Which of its calls.
        lane: Lane,
        /// The call's id.
        id: Option<String>,
        /// The tool's name, or more of it.
        name: String,
        /// The arguments, or more of them.
        arguments: String,
    },
    /// An answer is complete.
    Finish {
        /// Which of several answers, from 0.
        choice: u32,
        /// Why.
        reason: Finish,
    },
    /// What the answers cost.
    Usage(Usage),
}

/// A field of an answer that grows by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// What is said.
    Content,
    /// What is thought aloud.
    Reasoning,
    /// The model's own refusal.
    Refusal,
    /// A tool call, by its index.
    Tool(u32),
    /// The only call, in the older form.
    Function,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It was done.
    Stop,
    /// It reached its length.
    Length,
    /// It calls tools.
    ToolCalls,
    /// It calls a function, in the older form.
    FunctionCall,
    /// It was filtered, by the upstream or by us.
    ContentFilter,
}

impl Finish {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::FunctionCall => "function_call",
            Self::ContentFilter => "content_filter",
        }
    }

    /// Reads the word on the wire; one we do not know counts as `stop`.
    pub fn read(word: &str) -> Self {
        match word {
            "length" => Self::Length,
            "tool_calls" => Self::ToolCalls,
            "function_call" => Self::FunctionCall,
            "content_filter" => Self::ContentFilter,
            _ => Self::Stop,
        }
    }
}

/// Tokens counted by the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// In the request.
    pub prompt: u64,
    /// In the answers.
    pub completion: u64,
}
