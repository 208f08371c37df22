//! A text rule as its author wrote it: one Markdown document.
//!
//! ````markdown
//! ---
//! cwe: CWE-798
//! severity: error
//! message: a Foo token
//! keywords: [foo_]
//! ---
//! # foo-token
//! Whoever holds it …
//! ```regex
//! \bfoo_[a-z]{8,64}
//! ```
//! ```text
//! token: foo_‹›examples <- issue
//! token: foo_
//! ```
//! ````
//!
//! Line breaks in the pattern are not part of it. In the examples `‹›` stands for nothing: it keeps a made-up key from
//! looking real to whoever searches the repository for leaked ones.

use serde::Deserialize;

/// How much an issue matters; a later one matters more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Advice,
    /// Probably wrong, or wrong only in some places.
    Warning,
    /// Wrong.
    Error,
}

/// Why a document is not a text rule.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextRuleError {
    /// The front matter is missing or does not say what it must.
    #[error("text rule `{id}`: the front matter between two `---` lines cannot be read: {reason}")]
    FrontMatter {
        /// The rule.
        id: String,
        /// What the YAML reader said.
        reason: String,
    },
    /// A part of the document is missing.
    #[error("text rule `{id}`: {part} is missing")]
    Missing {
        /// The rule.
        id: String,
        /// What is missing.
        part: &'static str,
    },
    /// The heading and the id disagree.
    #[error("text rule `{id}`: the heading is `# {heading}`; it must be the last part of the id")]
    Heading {
        /// The rule.
        id: String,
        /// The heading found.
        heading: String,
    },
    /// The pattern does not compile.
    #[error("text rule `{id}`: the pattern cannot be used: {reason}")]
    Pattern {
        /// The rule.
        id: String,
        /// What the compiler said.
        reason: String,
    },
    /// The pattern matches nothing, or too much.
    #[error(
        "text rule `{id}`: a match must have 1 to {max} bytes; replace `*` and `+` by bounded repetitions such as `{{1,64}}`"
    )]
    Length {
        /// The rule.
        id: String,
        /// The most bytes a match may have.
        max: usize,
    },
    /// Two documents have the same id.
    #[error("text rule `{id}` is there twice; rename one of the files")]
    Twice {
        /// The rule.
        id: String,
    },
}

/// What a further look at a match decides, beyond what a pattern can say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Check {
    /// The pattern says it all.
    #[default]
    None,
    /// The check digit of payment cards.
    Luhn,
    /// Country length and check digits of a bank account number; what follows them is cut off.
    Iban,
    /// The areas and groups that were never issued.
    UsSsn,
    /// The check digit of the Japanese individual number.
    MyNumber,
    /// Not a file name that happens to have an `@`.
    Email,
    /// Not a placeholder such as `${TOKEN}` or `changeme`.
    Placeholder,
    /// Not a placeholder, and as mixed as chance makes it.
    Entropy,
    /// Not the short sequence that ends in U+E007F, which is how flags of regions are written.
    SmuggledTags,
}

/// The parts of a document.
pub(super) struct Document {
    pub(super) matter: Matter,
    pub(super) pattern: String,
    /// The text of each example block, and the lines (from 0) that must fire.
    #[cfg_attr(not(test), expect(dead_code, reason = "the examples are the rule's tests"))]
    pub(super) examples: Vec<(String, Vec<usize>)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Matter {
    #[serde(default)]
    cwe: Option<String>,
    pub(super) severity: Severity,
    pub(super) message: String,
    /// Strings of which every match contains one, in any case; none means the pattern is always tried.
    #[serde(default)]
    pub(super) keywords: Vec<String>,
    #[serde(default)]
    pub(super) check: Check,
    /// For a block: the strings of which the first to occur after the match closes it.
    #[serde(default)]
    pub(super) until: Vec<String>,
}

impl Matter {
    /// The number behind `CWE-`.
    pub(super) fn cwe(&self) -> Option<u16> {
        self.cwe.as_deref()?.strip_prefix("CWE-")?.parse().ok()
    }
}

impl Document {
    pub(super) fn parse(id: &str, markdown: &str) -> Result<Document, TextRuleError> {
        let front = |reason: String| TextRuleError::FrontMatter { id: id.to_owned(), reason };
        let missing = |part| TextRuleError::Missing { id: id.to_owned(), part };

        let (matter, body) = markdown
            .strip_prefix("---\n")
            .and_then(|rest| rest.split_once("\n---\n"))
            .ok_or_else(|| front("there is none".to_owned()))?;
        let matter: Matter = serde_saphyr::from_str(matter).map_err(|error| front(error.to_string()))?;
        if matter.cwe.is_some() && matter.cwe().is_none() {
            return Err(front("`cwe` must look like `CWE-798`".to_owned()));
        }

        let heading =
            body.lines().find_map(|line| line.strip_prefix("# ")).ok_or_else(|| missing("a `# name` heading"))?;
        if id.rsplit('.').next() != Some(heading.trim()) {
            return Err(TextRuleError::Heading { id: id.to_owned(), heading: heading.trim().to_owned() });
        }

        let pattern: String = blocks(body, "regex").next().ok_or_else(|| missing("a ```regex block"))?.concat();
        let examples: Vec<_> = blocks(body, "text").map(|lines| example(&lines)).collect();
        if examples.iter().all(|(_, firing)| firing.is_empty()) {
            return Err(missing("a line of a ```text block that ends with ` <- issue`"));
        }
        if examples.iter().all(|(text, firing)| text.lines().count() == firing.len()) {
            return Err(missing("an example line without ` <- issue`"));
        }
        Ok(Document { matter, pattern, examples })
    }
}

/// The lines of every fenced block of that language.
fn blocks<'a>(body: &'a str, language: &'a str) -> impl Iterator<Item = Vec<&'a str>> {
    let mut lines = body.lines();
    std::iter::from_fn(move || {
        lines.by_ref().find(|line| line.strip_prefix("```") == Some(language))?;
        Some(lines.by_ref().take_while(|line| *line != "```").collect())
    })
}

fn example(lines: &[&str]) -> (String, Vec<usize>) {
    let mut text = String::new();
    let mut firing = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let plain = line.strip_suffix(MARKER);
        firing.extend(plain.map(|_| number));
        text.push_str(&plain.unwrap_or(line).replace(JOINT, ""));
        text.push('\n');
    }
    (text, firing)
}

const MARKER: &str = " <- issue";
const JOINT: &str = "‹›";

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "---\nseverity: error\nmessage: a foo\n---\n# foo\nWhy.\n```regex\nfo\no{1,3}\n```\n```text\na f‹›oo <- issue\nbar\n```\n";

    #[test]
    fn a_document_is_read() {
        let document = Document::parse("x.foo", GOOD).unwrap();
        assert_eq!(document.pattern, "foo{1,3}");
        assert_eq!(document.examples, [("a foo\nbar\n".to_owned(), vec![0])]);
        assert_eq!(document.matter.cwe(), None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (from, to, said) in [
            ("severity: error", "severity: fatal", "severity"),
            ("message: a foo", "message: a foo\nspeed: 3", "speed"),
            ("message: a foo", "message: a foo\ncwe: 79", "CWE-798"),
            ("# foo", "# bar", "`# bar`"),
            ("```regex", "```query", "```regex"),
            (" <- issue", "", " <- issue"),
            ("bar\n", "", "without"),
        ] {
            let error = Document::parse("x.foo", &GOOD.replace(from, to)).err().unwrap().to_string();
            assert!(error.contains("`x.foo`") && error.contains(said), "{error}");
        }
    }
}
