//! The words put before a text, as the encoder was trained: what asks and what tells.

use crate::Role;
use crate::encoder::Encoder;

/// The words before a text of a role.
pub fn frame(role: Role) -> &'static str {
    match role {
        Role::System | Role::User => "query:",
        Role::Assistant | Role::Tool => "passage:",
    }
}

/// The ids of a text's pieces after its frame.
pub fn framed(encoder: &Encoder, role: Role, text: &str) -> Vec<u32> {
    let ids = |text: &str| encoder.cut(text).pieces.into_iter().map(|piece| piece.id);
    ids(frame(role)).chain(ids(text)).collect()
}
