//! Verdicts already given: a turn that comes again with every request is judged once.
//!
//! A verdict depends on nothing but the model and the text, so it may be given again to anyone who sends the same text.
//! What is kept is bounded: two generations of [`MOST`] verdicts, the older forgotten when the younger is full.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use guard_model::Role;
use sha2::{Digest as _, Sha256};

use super::verdict::Verdict;

/// Verdicts in one generation; about 1 KiB each.
const MOST: usize = 4096;

/// What a verdict depends on, as a SHA-256.
pub(super) type Key = [u8; 32];

/// The key of a text, said by `role` after `before`. Tenants share no verdicts: how fast one comes tells what was said before.
pub(super) fn key(tenant: &str, role: Role, before: Option<&str>, text: &str) -> Key {
    let mut hash = Sha256::new();
    hash.update(tenant.len().to_le_bytes());
    hash.update(tenant);
    hash.update([role as u8, u8::from(before.is_some())]);
    // The length keeps two texts from being taken for one.
    hash.update(before.map_or(0, str::len).to_le_bytes());
    hash.update(before.unwrap_or_default());
    hash.update(text);
    hash.finalize().into()
}

/// The verdicts.
#[derive(Default)]
pub(super) struct Memory(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<Key, Verdict>,
    old: HashMap<Key, Verdict>,
}

impl Memory {
    /// The verdict on this text, if it was given before.
    pub(super) fn recall(&self, key: &Key) -> Option<Verdict> {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = generations.young.get(key) {
            return Some(known.clone());
        }
        let known = generations.old.remove(key)?;
        generations.keep(*key, known.clone());
        Some(known)
    }

    /// Keeps a verdict. Failures are not verdicts and are never kept.
    pub(super) fn keep(&self, key: Key, verdict: Verdict) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keep(key, verdict);
    }
}

impl Generations {
    fn keep(&mut self, key: Key, verdict: Verdict) {
        if self.young.len() >= MOST {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, verdict);
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Memory, Verdict, key};
    use guard_model::{HazardId, Role};

    fn verdict(score: f32) -> Verdict {
        Verdict(vec![(HazardId::new("S1"), score, false)])
    }

    #[test]
    fn a_key_tells_role_context_and_text_apart() {
        let keys = [
            key("t", Role::User, None, "ab"),
            key("t", Role::Tool, None, "ab"),
            key("t", Role::User, Some(""), "ab"),
            key("t", Role::User, Some("a"), "b"),
            key("t", Role::User, Some("ab"), ""),
            key("u", Role::User, Some("ab"), ""),
        ];
        for (index, one) in keys.iter().enumerate() {
            assert!(keys[index + 1..].iter().all(|other| one != other), "{index}");
        }
    }

    #[test]
    fn what_is_asked_for_stays_and_memory_is_bounded() {
        let memory = Memory::default();
        let often = key("t", Role::User, None, "often");
        memory.keep(often, verdict(0.5));
        for index in 0..5 * MOST {
            memory.keep(key("t", Role::User, None, &index.to_string()), verdict(0.1));
            if index % 1000 == 0 {
                assert_eq!(memory.recall(&often), Some(verdict(0.5)));
            }
        }
        assert_eq!(memory.recall(&key("t", Role::User, None, "0")), None);
        let generations = memory.0.lock().unwrap();
        assert!(generations.young.len() <= MOST && generations.old.len() <= MOST);
    }
}
