//! What reading the request showed: parts nobody can read, fields nobody knows.

use std::sync::Arc;

use policies::{Finding, FindingId, Stage};

use super::{Detector, Findings, Located, ids};
use crate::{chat::Chat, segment::Segment};

/// Reports the notes of a request.
#[derive(Debug, Default)]
pub struct Shape;

const NAMES: [&str; 6] = [
    "unreadable.image",
    "unreadable.audio",
    "unreadable.file",
    "unreadable.tokens",
    "unreadable.part",
    "request.unknown-field",
];

impl Detector for Shape {
    fn name(&self) -> &'static str {
        "shape"
    }

    fn catalog(&self) -> Vec<FindingId> {
        ids(NAMES)
    }

    fn detect(&self, chat: &Arc<Chat>, segment: &Arc<Segment>) -> Findings {
        let mut found = Vec::new();
        if segment.stage == Stage::Input {
            for note in &chat.notes {
                let Ok(id) = FindingId::parse(note.id) else { continue };
                // A note belongs to the part with its field, else to the first part of the same author.
                let part = segment
                    .parts
                    .iter()
                    .position(|part| part.field == note.field)
                    .or_else(|| segment.parts.iter().position(|part| part.provenance == note.provenance))
                    .unwrap_or(0);
                found.push(Located {
                    part,
                    finding: Finding {
                        id,
                        severity: note.severity,
                        score: 1.0,
                        span: 0..0,
                        message: format!("{} (`{}`)", note.message, note.field),
                        language: None,
                        cwe: None,
                    },
                });
            }
        }
        Box::pin(std::future::ready(Ok(found)))
    }
}
