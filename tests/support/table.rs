//! Tables of cases in Markdown.

use std::{collections::HashMap, fs, path::Path};

/// A row: the text of each cell by its column's name, without the backticks of code.
pub type Row = HashMap<String, String>;

/// Every row of every table in the documents of a folder, each with the document's name and its own first cell as its name.
pub fn rows(folder: &Path) -> Vec<(String, Row)> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "md") && !file.ends_with("README.md"));
    files.sort();
    files.iter().flat_map(|file| in_document(file)).collect()
}

fn in_document(file: &Path) -> Vec<(String, Row)> {
    let text = fs::read_to_string(file).unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with('|')).map(cells);
    let columns = lines.next().unwrap_or_else(|| panic!("{} has no table", file.display()));
    let document = file.file_stem().unwrap().to_string_lossy();
    let row = |cells: Vec<String>| {
        assert_eq!(cells.len(), columns.len(), "{}: {cells:?}", file.display());
        (format!("{document}: {}", cells[0]), columns.iter().cloned().zip(cells).collect())
    };
    lines.filter(|cells| !cells[0].starts_with("---")).map(row).collect()
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
}
