//! What tests of prompts need: tokenizers.

use guard_model::vocabulary::Vocabulary;
use std::path::{Path, PathBuf};

/// Every tokenizer of a family, with its file's name. `tests/run` fetches them.
pub(crate) fn vocabularies(family: &str) -> Vec<(String, Vocabulary)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tokenizers").join(family);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|_| {
        panic!("`{}` is not there; tests/tokenizers/fetch puts it there, and so does tests/run", folder.display())
    });
    let read = |path: PathBuf| (path.file_name().unwrap().display().to_string(), Vocabulary::open(&path).unwrap());
    let all: Vec<_> = files.map(|file| read(file.unwrap().path())).collect();
    assert!(!all.is_empty());
    all
}
