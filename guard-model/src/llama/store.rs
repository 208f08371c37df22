//! Keys and values of conversations that may go on, in bounded memory.
//!
//! What a tenant's text left behind is found again by the same tenant only: how fast an answer comes would otherwise tell
//! one tenant what another has asked. Public text, the head of a template, is found by all.

use super::Cache;
use std::sync::{Arc, Mutex, PoisonError};

/// Caches by the tokens they hold.
pub struct Store {
    most_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    entries: Vec<Entry>,
    bytes: usize,
    /// Counts uses, so that the entry that was used longest ago is known.
    clock: u64,
}

struct Entry {
    owner: Owner,
    tokens: Arc<[u32]>,
    cache: Cache,
    used: u64,
}

/// Whose text it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Text that everybody knows.
    Public,
    /// A tenant's.
    Tenant(Arc<str>),
}

impl Store {
    /// A store whose caches take so many bytes at most. What caches share is counted for each of them, so it is less.
    pub fn new(most_bytes: usize) -> Self {
        Self { most_bytes, kept: Mutex::default() }
    }

    /// A fork of the cache that holds the longest beginning of `tokens`, all but the last of them at most, of those that
    /// are public or belong to `owner`. None when a beginning is too short to be worth it.
    pub fn find(&self, owner: &Owner, tokens: &[u32]) -> Option<Cache> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let most = tokens.len().saturating_sub(1);
        let mine = kept.entries.iter_mut().filter(|entry| entry.owner == Owner::Public || entry.owner == *owner);
        let (common, entry) =
            mine.map(|entry| (common(&entry.tokens, tokens).min(most), entry)).max_by_key(|(common, _)| *common)?;
        if common < WORTH_FORKING {
            return None;
        }
        let mut cache = entry.cache.clone();
        cache.truncate(common);
        let place = entry.tokens.clone();
        kept.clock += 1;
        let clock = kept.clock;
        let used = kept.entries.iter_mut().filter(|entry| Arc::ptr_eq(&entry.tokens, &place));
        used.for_each(|entry| entry.used = clock);
        Some(cache)
    }

    /// Keeps the cache of `tokens`. It takes the place of what it goes on from; what was used longest ago makes room. A
    /// cache that is larger than the store, or is not of these tokens, is not kept.
    pub fn keep(&self, owner: &Owner, tokens: &[u32], cache: Cache) {
        let bytes = cache.bytes();
        if cache.length() != tokens.len() || bytes > self.most_bytes {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clock += 1;
        let used = kept.clock;
        kept.entries.retain(|entry| {
            // The head of a template stays when a conversation goes on from it.
            entry.owner != *owner || *owner == Owner::Public || !tokens.starts_with(&entry.tokens)
        });
        kept.entries.push(Entry { owner: owner.clone(), tokens: tokens.into(), cache, used });
        loop {
            kept.bytes = kept.entries.iter().map(|entry| entry.cache.bytes()).sum();
            if kept.bytes <= self.most_bytes && kept.entries.len() <= MOST_ENTRIES {
                return;
            }
            // Public text goes last: everybody needs it.
            let order = |entry: &Entry| (entry.owner == Owner::Public, entry.used);
            let oldest = kept.entries.iter().enumerate().min_by_key(|(_, entry)| order(entry)).map(|(at, _)| at);
            let Some(oldest) = oldest else { return };
            kept.entries.swap_remove(oldest);
        }
    }

    /// Bytes of all caches.
    pub fn bytes(&self) -> usize {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }
}

/// Tokens that two lists begin with in common.
fn common(left: &[u32], right: &[u32]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

/// A shorter beginning is as quickly read again.
const WORTH_FORKING: usize = 16;

/// Each search looks at all of them.
const MOST_ENTRIES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache of so many tokens: one layer, one head of 32.
    fn cache(tokens: usize) -> Cache {
        let mut cache = Cache::new(1, 1, 32);
        cache.write(0, 0, tokens, |index, _, keys, values| {
            keys.fill(index as f32);
            values.fill(index as f32);
        });
        cache.advance(tokens);
        cache
    }

    fn tokens(head: u32, count: u32) -> Vec<u32> {
        (0..count).map(|at| if at < 20 { at } else { head * 1000 + at }).collect()
    }

    fn tenant(name: &str) -> Owner {
        Owner::Tenant(name.into())
    }

    #[test]
    fn the_longest_beginning_is_found_and_cut() {
        let store = Store::new(1 << 20);
        store.keep(&tenant("a"), &tokens(1, 64), cache(64));
        store.keep(&Owner::Public, &tokens(0, 20), cache(20));
        assert_eq!(store.find(&tenant("a"), &tokens(1, 80)).unwrap().length(), 64);
        assert_eq!(store.find(&tenant("a"), &tokens(1, 40)).unwrap().length(), 39);
        assert_eq!(store.find(&tenant("a"), &tokens(2, 80)).unwrap().length(), 20);
        assert!(store.find(&tenant("a"), &[0, 1, 2, 99, 98, 97]).is_none());
        assert!(store.find(&tenant("a"), &[]).is_none());
    }

    #[test]
    fn no_tenant_finds_what_another_said() {
        let store = Store::new(1 << 20);
        store.keep(&tenant("a"), &tokens(1, 64), cache(64));
        assert!(store.find(&tenant("b"), &tokens(1, 64)).is_none());
        assert!(store.find(&Owner::Public, &tokens(1, 64)).is_none());
        store.keep(&Owner::Public, &tokens(0, 20), cache(20));
        assert_eq!(store.find(&tenant("b"), &tokens(1, 64)).unwrap().length(), 20);
    }

    #[test]
    fn what_goes_on_takes_the_place_of_what_was() {
        let store = Store::new(1 << 20);
        store.keep(&tenant("a"), &tokens(1, 64), cache(64));
        store.keep(&tenant("a"), &tokens(1, 96), cache(96));
        assert_eq!(store.bytes(), cache(96).bytes());
        store.keep(&tenant("b"), &tokens(1, 96), cache(96));
        assert_eq!(store.bytes(), 2 * cache(96).bytes());
    }

    #[test]
    fn the_oldest_makes_room_and_public_text_stays() {
        let room = cache(64).bytes() * 3;
        let store = Store::new(room);
        store.keep(&Owner::Public, &tokens(0, 20), cache(20));
        for head in 1..9 {
            store.keep(&tenant("a"), &tokens(head, 64), cache(64));
            assert!(store.bytes() <= room);
            // The first conversation is used all the time, so others go.
            assert_eq!(store.find(&tenant("a"), &tokens(1, 65)).unwrap().length(), 64);
        }
        assert_eq!(store.find(&tenant("a"), &tokens(8, 65)).unwrap().length(), 64);
        assert_eq!(store.find(&tenant("a"), &tokens(5, 65)).unwrap().length(), 20);
        store.keep(&tenant("a"), &tokens(9, 3200), cache(3200));
        assert!(store.bytes() <= room, "what is larger than the store is not kept");
    }
}
