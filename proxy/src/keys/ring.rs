//! The entries of a key file.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    io::Read as _,
    path::Path,
    sync::{Mutex, PoisonError},
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use policies::Day;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// All keys of a file.
pub struct Ring {
    entries: HashMap<String, Entry>,
    /// The SHA-256 of keys whose hash was computed and held; at most one for each entry.
    proven: Mutex<HashSet<[u8; 32]>>,
}

/// One key, as the file has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// The part of the key that is its name.
    key: String,
    /// The argon2 hash of the whole key.
    hash: String,
    /// Whose traffic it is.
    pub tenant: String,
    /// The groups it belongs to.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The last day on which it holds; it holds for good if none.
    #[serde(default)]
    until: Option<Day>,
    /// Who has it, for people.
    #[serde(default)]
    #[expect(dead_code, reason = "it is for people who read the file")]
    note: Option<String>,
}

/// A key file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyFileError(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    keys: Vec<Entry>,
}

impl Ring {
    /// The text of a file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn text(file: &Path) -> Result<String, KeyFileError> {
        std::fs::read_to_string(file).map_err(|error| KeyFileError(format!("key file {}: {error}", file.display())))
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// It is no key file, a hash is none, or a name occurs twice; the message names file and line, and no hash.
    pub fn read(file: &str, text: &str) -> Result<Self, KeyFileError> {
        let read: File = serde_saphyr::from_str(text).map_err(|error| {
            let place = error.location().map(|at| format!(":{}:{}", at.line(), at.column())).unwrap_or_default();
            let message = error.to_string();
            KeyFileError(format!("{file}{place}: {}", message.lines().next().unwrap_or_default()))
        })?;
        let mut entries = HashMap::new();
        for entry in read.keys {
            let name = entry.key.clone();
            let is_name = (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if !is_name {
                return Err(KeyFileError(format!("{file}: `{name}` is no key's name: 1 to 32 letters and digits")));
            }
            if entry.tenant.trim().is_empty() {
                return Err(KeyFileError(format!("{file}: the key `{name}` has no tenant")));
            }
            let hash = PasswordHash::new(&entry.hash);
            if !hash.is_ok_and(|hash| hash.algorithm.as_str() == "argon2id") {
                let message = "has no argon2id hash; `ringfence keys new` makes one";
                return Err(KeyFileError(format!("{file}: the key `{name}` {message}")));
            }
            if entries.insert(name.clone(), entry).is_some() {
                return Err(KeyFileError(format!("{file}: the key `{name}` is there twice; keep one")));
            }
        }
        Ok(Self { entries, proven: Mutex::default() })
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry that a key names, if its last day is not past, and whether the key was proven before.
    pub(super) fn recall(&self, key: &str, now: u64) -> Option<(bool, Entry)> {
        let entry = self.entries.get(name(key)?).filter(|entry| entry.until.is_none_or(|until| now < until.end()))?;
        let proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner).contains(&digest(key));
        Some((proven, entry.clone()))
    }

    /// Computes the hash of a key, and remembers it if it holds. Takes some milliseconds.
    pub(super) fn prove(&self, key: &str) -> bool {
        let Some(entry) = name(key).and_then(|name| self.entries.get(name)) else { return false };
        let Ok(hash) = PasswordHash::new(&entry.hash) else { return false };
        let holds = Argon2::default().verify_password(key.as_bytes(), &hash).is_ok();
        if holds {
            self.proven.lock().unwrap_or_else(PoisonError::into_inner).insert(digest(key));
        }
        holds
    }
}

/// A new key, and its entry for the file.
///
/// # Errors
/// The system gives no random numbers.
pub fn new_key(tenant: &str, groups: &[String], until: Option<Day>) -> std::io::Result<(String, String)> {
    let mut random = [0; 56];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    let (name, rest) = random.split_at(8);
    let (secret, salt) = rest.split_at(32);
    let (name, secret) = (hex(name), hex(secret));
    let key = format!("rf_{name}_{secret}");
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(key.as_bytes(), salt)
        .map_err(|error| std::io::Error::other(error.to_string()))?;
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let groups: Vec<String> = groups.iter().map(|group| quoted(group)).collect();
    let mut entry = format!(
        "  - key: {}\n    hash: {}\n    tenant: {}\n",
        quoted(&name),
        quoted(&hash.to_string()),
        quoted(tenant)
    );
    if !groups.is_empty() {
        let _ = writeln!(entry, "    groups: [{}]", groups.join(", "));
    }
    if let Some(until) = until {
        let _ = writeln!(entry, "    until: {until}");
    }
    Ok((key, entry))
}

/// The name in `rf_NAME_SECRET`.
fn name(key: &str) -> Option<&str> {
    key.strip_prefix("rf_")?.split_once('_').map(|(name, _)| name)
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
