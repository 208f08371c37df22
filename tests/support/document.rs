//! Exchanges as documents: prose, and fenced blocks that say what is sent and what must come back.

use std::{collections::HashMap, fs, path::Path};

/// A document's blocks by their tag.
pub struct Document {
    /// The file's name.
    pub name: String,
    blocks: HashMap<String, String>,
}

impl Document {
    /// Reads a file.
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let mut blocks = HashMap::new();
        let mut open: Option<(String, String)> = None;
        for line in text.lines() {
            match (&mut open, line.strip_prefix("````")) {
                (None, Some(tag)) => open = Some((tag.trim().to_owned(), String::new())),
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some((_, block)), None) => {
                    block.push_str(line);
                    block.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block is not closed", path.display());
        for tag in blocks.keys() {
            let known = ["config", "policy", "request", "upstream", "forwarded", "response", "audit", "never"];
            assert!(known.contains(&tag.as_str()), "{}: unknown block `{tag}`", path.display());
        }
        Self { name: path.file_name().unwrap().to_string_lossy().into_owned(), blocks }
    }

    /// A block, if the document has it.
    pub fn block(&self, tag: &str) -> Option<&str> {
        self.blocks.get(tag).map(String::as_str)
    }
}
