//! What is sent, what the upstream then says, and what must come of it.

use serde_json::Value;

use super::speak::Says;

/// An attack and its twin.
#[derive(Clone)]
pub struct Case {
    /// Its name: class, set, and all that was varied, by slashes.
    pub id: String,
    /// Its class.
    pub class: char,
    /// Before which proxy: what the upstream speaks and which policy holds.
    pub house: String,
    /// The format it is asked in.
    pub dialect: String,
    /// What must not come through.
    pub attack: Sent,
    /// What must.
    pub twin: Option<Sent>,
    /// A record that our log must have of the attack.
    pub audit: Option<Value>,
    /// Whether it says something about other proxies too: that no forbidden text comes through.
    pub others: bool,
}

/// One request and what must come of it.
#[derive(Clone)]
pub struct Sent {
    /// The request as it goes over the wire.
    pub bytes: Vec<u8>,
    /// What the upstream says when it is asked.
    pub says: Says,
    /// What must come of it.
    pub want: Want,
    /// Texts of which not all may reach the other end.
    pub never: Vec<String>,
}

/// What must come of a request.
#[derive(Clone, Debug)]
pub enum Want {
    /// The prompt is refused in the dialect's way, and not forwarded.
    Refused,
    /// One of these statuses; not forwarded.
    Statuses(Vec<u64>),
    /// The answer is withheld in the dialect's way.
    Withheld,
    /// An answer, or an error of the upstream passed on, without what must not be in it.
    Clean,
    /// An answer that has this instead of the secret.
    Redacted,
    /// The answer ends in an error.
    Broken,
    /// It is forwarded without these fields, and answered.
    Dropped(Vec<String>),
    /// It is forwarded with this text in it, and answered.
    Forwarded(Vec<String>),
    /// It is answered with this text.
    Answered(String),
    /// It is answered with a failure that has this text.
    Failed(String),
    /// Answered with any status; only what must never come through counts.
    Anything,
}
