//! The files below a path, in the order of their names.

use std::fs;
use std::path::{Path, PathBuf};

/// Every file at or below the path, and whether it is the path itself. Links in folders are not followed, so there is no loop.
pub(super) fn files(path: &Path, warn: &mut dyn FnMut(String)) -> Vec<(PathBuf, bool)> {
    match fs::metadata(path) {
        Ok(data) if !data.is_dir() => return vec![(path.to_owned(), true)],
        Ok(_) => {}
        Err(error) => {
            warn(format!("`{}` cannot be read: {error}", path.display()));
            return Vec::new();
        }
    }
    let mut files = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                warn(format!("`{}` cannot be read: {error}", folder.display()));
                continue;
            }
        };
        for entry in entries {
            let kind = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)));
            match kind {
                Ok((path, kind)) if kind.is_dir() && !skipped(&path) => folders.push(path),
                Ok((path, kind)) if kind.is_file() => files.push((path, false)),
                Ok(_) => {}
                Err(error) => warn(format!("`{}` cannot be read to its end: {error}", folder.display())),
            }
        }
    }
    files.sort();
    files
}

/// Folders that hold what others wrote or programs made.
fn skipped(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| [".git", "node_modules", "target"].iter().any(|skipped| name == *skipped))
}
