//! A rule for code as its author wrote it: one Markdown document.
//!
//! ````markdown
//! ---
//! cwe: CWE-95
//! severity: error
//! message: "`exec` runs text as code"
//! ---
//! # exec-use
//! Whoever controls the text …
//! ```query
//! (call function: (identifier) @function (#eq? @function "exec")) @issue
//! ```
//! ```python
//! exec(code)  # issue
//! evaluate(code)
//! ```
//! ````
//!
//! A ```` ```flow ```` block beside the query or in its place follows data; [`crate::flow`] says how it is written.
//!
//! The folder it lies in is its language; `languages: [javascript, typescript, tsx]` makes it a rule of each of these,
//! and then an example in the folder's language is an example of each.

use serde::Deserialize;

use crate::flow::Form;
use crate::{Language, Severity};

/// Why a document is not a rule: the file, the place in it and what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {reason}")]
pub struct DocumentError {
    /// The path of the document as it was given.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong, and the way out.
    pub reason: String,
}

/// The parts of a document.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) file: String,
    /// The file's stem, which is the last part of the rule's id.
    pub(crate) name: String,
    pub(crate) languages: Vec<Language>,
    pub(crate) cwe: Option<u16>,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    /// A tree-sitter query; empty when the rule only follows data.
    pub(crate) query: String,
    /// The line of the document on which the query starts, from 1.
    pub(crate) query_line: usize,
    /// What it follows.
    pub(crate) flow: Option<Form>,
    /// The line on which the `flow` block starts, from 1.
    pub(crate) flow_line: usize,
    #[cfg_attr(not(test), expect(dead_code, reason = "the examples are the rule's tests"))]
    pub(crate) examples: Vec<Example>,
}

/// Code that shows where a rule fires.
#[derive(Clone, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "the examples are the rule's tests"))]
pub(crate) struct Example {
    pub(crate) language: Language,
    pub(crate) code: String,
    /// The lines on which the rule fires, from 1.
    pub(crate) firing: Vec<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Matter {
    #[serde(default)]
    cwe: Option<String>,
    severity: Severity,
    message: String,
    #[serde(default)]
    languages: Vec<String>,
}

impl Document {
    pub(crate) fn parse(file: &str, markdown: &str) -> Result<Document, DocumentError> {
        let fail = |line: usize, reason: String| DocumentError { file: file.to_owned(), line, column: 1, reason };
        let markdown = &markdown.replace("\r\n", "\n");
        let (folder, name) = place(file).ok_or_else(|| {
            fail(1, "the file must be called `<language>/<rule>.md`, the rule in small letters and `-`".to_owned())
        })?;

        let (front, body) = markdown
            .strip_prefix("---\n")
            .and_then(|rest| rest.split_once("\n---\n"))
            .ok_or_else(|| fail(1, "the document must start with front matter between two `---` lines".to_owned()))?;
        let matter: Matter = serde_saphyr::from_str(front).map_err(|error| fail(2, error.to_string()))?;
        let cwe = match matter.cwe.as_deref() {
            None => None,
            Some(text) => Some(
                text.strip_prefix("CWE-")
                    .and_then(|number| number.parse().ok())
                    .ok_or_else(|| fail(2, format!("`cwe: {text}` must look like `CWE-78`")))?,
            ),
        };
        let mut languages = Vec::new();
        for tag in &matter.languages {
            let named = Language::named(tag).ok_or_else(|| fail(2, format!("`{tag}` is not a language we read")))?;
            languages.extend(Some(named).filter(|language| Language::ALL.contains(language)));
        }
        if matter.languages.is_empty() {
            languages.push(folder);
        }

        let first_line = front.lines().count() + 3;
        let (heading_line, heading) = body
            .lines()
            .enumerate()
            .find_map(|(index, line)| Some((index + first_line, line.strip_prefix("# ")?.trim())))
            .ok_or_else(|| fail(first_line, format!("a `# {name}` heading is missing")))?;
        if heading != name {
            return Err(fail(heading_line, format!("the heading is `# {heading}`; the file's name wants `# {name}`")));
        }

        let mut query = None;
        let mut flow: Option<(usize, Form)> = None;
        let mut examples = Vec::new();
        for Block { tag, line, text } in blocks(body, first_line) {
            if tag == "query" {
                if query.replace((line, text)).is_some() {
                    return Err(fail(line, "there is a second `query` block; put both patterns into one".to_owned()));
                }
            } else if tag == "flow" {
                let form = serde_saphyr::from_str(&text).map_err(|error| fail(line, error.to_string()))?;
                if flow.replace((line, form)).is_some() {
                    return Err(fail(line, "there is a second `flow` block; put both into one".to_owned()));
                }
            } else if let Some(language) = Language::from_tag(&tag) {
                examples.push(example(language, &text));
            }
        }
        if query.is_none() && flow.is_none() {
            return Err(fail(heading_line, "a ```query or a ```flow block is missing".to_owned()));
        }
        let (query_line, query) = query.unwrap_or_default();
        let (flow_line, flow) = flow.map_or((0, None), |(line, form)| (line, Some(form)));
        if examples.iter().all(|example| example.firing.is_empty()) {
            let reason = "no example has a line that ends in `# issue` or `// issue`; show where the rule fires";
            return Err(fail(heading_line, reason.to_owned()));
        }
        if examples.iter().all(|example| example.firing.len() == example.code.lines().count()) {
            let reason = "every example line fires; show one on which the rule is silent";
            return Err(fail(heading_line, reason.to_owned()));
        }
        Ok(Document {
            file: file.to_owned(),
            name: name.to_owned(),
            languages,
            cwe,
            severity: matter.severity,
            message: matter.message,
            query,
            query_line,
            flow,
            flow_line,
            examples,
        })
    }

    /// The id of the rule in that language.
    pub(crate) fn id(&self, language: Language) -> String {
        format!("code.{}.{}", language.name(), self.name)
    }
}

/// The language and the rule's name in a path.
fn place(file: &str) -> Option<(Language, &str)> {
    let mut parts = file.rsplit(['/', '\\']);
    let name = parts.next()?.strip_suffix(".md")?;
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let folder = Language::from_tag(parts.next()?)?;
    plain.then_some((folder, name))
}

struct Block {
    tag: String,
    /// The line after the opening fence.
    line: usize,
    text: String,
}

fn blocks(body: &str, first_line: usize) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in body.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(tag)) => {
                open = Some(Block { tag: tag.trim().to_owned(), line: first_line + index + 1, text: String::new() });
            }
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some(block), _) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

fn example(language: Language, text: &str) -> Example {
    let mut example = Example { language, code: String::new(), firing: Vec::new() };
    for (index, line) in text.lines().enumerate() {
        let plain = MARKERS.iter().find_map(|marker| line.trim_end().strip_suffix(marker));
        if plain.is_some() {
            example.firing.push(index + 1);
        }
        example.code.push_str(plain.unwrap_or(line).trim_end());
        example.code.push('\n');
    }
    example
}

const MARKERS: [&str; 2] = ["# issue", "// issue"];

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "---\ncwe: CWE-95\nseverity: error\nmessage: exec\n---\n# exec-use\nWhy.\n```query\n(call) @issue\n```\n```python\nexec(x)  # issue\nfoo = 1\n```\n";

    #[test]
    fn a_document_is_read() {
        let document = Document::parse("python/exec-use.md", GOOD).unwrap();
        assert_eq!(document.id(Language::Python), "code.python.exec-use");
        assert_eq!((document.cwe, document.severity, document.query_line), (Some(95), Severity::Error, 9));
        assert_eq!(document.examples[0].firing, [1]);
        assert_eq!(document.examples[0].code, "exec(x)\nfoo = 1\n");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (from, to, line, said) in [
            ("severity: error", "severity: fatal", 2, "severity"),
            ("CWE-95", "95", 2, "CWE-78"),
            ("# exec-use", "# other", 6, "# other"),
            ("```query", "```text", 6, "query"),
            ("  # issue", "", 6, "fires"),
            ("foo = 1\n", "", 6, "silent"),
            ("---\ncwe", "cwe", 1, "front matter"),
        ] {
            let error = Document::parse("python/exec-use.md", &GOOD.replace(from, to)).err().unwrap();
            assert_eq!(error.line, line, "{error}");
            assert!(error.to_string().contains(said), "{error}");
        }
        assert!(Document::parse("cobol/x.md", GOOD).is_err());
    }
}
