//! The messages of one request, as every detector sees them.

use std::sync::Arc;

use policies::{PolicySet, Provenance, Severity};
use uuid::Uuid;

use crate::{enforce::Masks, segment::Part};

/// One request, read once at the edge; nothing in it is checked again.
#[derive(Debug, Clone)]
pub struct Chat {
    /// The id that all records of this request and its answer bear.
    pub exchange: Uuid,
    /// Whose traffic it is.
    pub tenant: String,
    /// The groups that the caller's key belongs to.
    pub groups: Vec<String>,
    /// The caller's place in roll-outs, see [`Caller`](crate::caller::Caller).
    pub place: u64,
    /// The languages that its reader accepts, as in the header `accept-language`.
    pub languages: String,
    /// The policies that decide on it and on its answer, from the first word to the last.
    pub policies: Arc<PolicySet>,
    /// What was masked in the request, to be put back into its answer.
    pub masks: Arc<Masks>,
    /// The path of the request.
    pub route: String,
    /// The wire format.
    pub dialect: &'static str,
    /// The model the client asked for.
    pub model: String,
    /// Every text of the request, in the order of the request.
    pub parts: Vec<Part>,
    /// What reading the request showed besides text.
    pub notes: Vec<Note>,
}

impl Chat {
    /// The text of the last user turn, for judging an answer in its light.
    pub fn last_user_text(&self) -> Option<&str> {
        let user = |part: &&Part| part.provenance == Provenance::User && part.kind == crate::segment::Kind::Turn;
        self.parts.iter().rev().find(user).map(Part::text)
    }
}

/// Something about the shape of a request that a policy may want to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// The finding's name.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where in the request.
    pub field: String,
    /// Who wrote that part of the request.
    pub provenance: Provenance,
    /// One sentence.
    pub message: &'static str,
}
