//! The rules, and for every language one query that holds the patterns of all of them.

use std::sync::OnceLock;

use tree_sitter::{Query, QueryError};

use crate::document::{Document, DocumentError};
use crate::flow::{Spec, World};
use crate::predicate::Predicate;
use crate::scan::UNREADABLE;
use crate::{Language, Severity};

/// A set of rules. A language's query is compiled when its code is first seen, since not every program sees every language.
pub struct RuleSet {
    ids: Vec<String>,
    documents: Vec<Document>,
    compiled: [OnceLock<Option<Compiled>>; Language::ALL.len()],
}

/// The rules of one language, ready to run.
pub(crate) struct Compiled {
    pub(crate) query: Query,
    pub(crate) rules: Vec<Rule>,
    /// For every pattern of the query, its rule.
    pub(crate) rule_of: Vec<usize>,
    /// For every pattern of the query, what else must hold.
    pub(crate) predicates: Vec<Vec<Predicate>>,
    pub(crate) issue_capture: u32,
    /// What its rules follow.
    pub(crate) flow: Spec,
}

/// What a match of a rule reports.
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) cwe: Option<u16>,
    pub(crate) severity: Severity,
    pub(crate) message: String,
}

impl RuleSet {
    /// The rules that ship with the crate.
    ///
    /// # Errors
    /// None, as the tests read every document; the type leaves the choice to the caller all the same.
    pub fn built_in() -> Result<RuleSet, DocumentError> {
        RuleSet::read(built_in_documents().iter().copied(), &[])
    }

    /// The rules that ship with the crate and these documents: pairs of a path such as `python/exec-use.md` and its text.
    ///
    /// # Errors
    /// When a document lacks a part, its query does not fit the grammar, or its rule is there already.
    pub fn with_documents(documents: &[(String, String)]) -> Result<RuleSet, DocumentError> {
        RuleSet::read(built_in_documents().iter().copied(), documents)
    }

    /// The ids of all rules, `code.unreadable` among them: all that can ever be reported.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str)
    }

    fn read<'a>(
        trusted: impl Iterator<Item = (&'a str, &'a str)>,
        more: &'a [(String, String)],
    ) -> Result<RuleSet, DocumentError> {
        let mut set = RuleSet { ids: vec![UNREADABLE.to_owned()], documents: Vec::new(), compiled: Default::default() };
        for (file, text) in trusted {
            set.add(Document::parse(file, text)?)?;
        }
        for (file, text) in more {
            let document = Document::parse(file, text)?;
            for language in &document.languages {
                Compiled::new(*language, &[&document])?;
            }
            set.add(document)?;
        }
        set.ids.sort();
        set.ids.dedup();
        Ok(set)
    }

    fn add(&mut self, document: Document) -> Result<(), DocumentError> {
        for language in &document.languages {
            let twice =
                self.documents.iter().find(|other| other.name == document.name && other.languages.contains(language));
            if let Some(other) = twice {
                let reason =
                    format!("`{}` is also in `{}`; rename one of the files", document.id(*language), other.file);
                return Err(DocumentError { file: document.file, line: 1, column: 1, reason });
            }
        }
        self.ids.extend(document.languages.iter().map(|language| document.id(*language)));
        self.documents.push(document);
        Ok(())
    }

    /// Compiles the rules of a language, and tells whether that was still to do.
    pub(crate) fn compile(&self, language: Language) -> bool {
        let index = Language::ALL.iter().position(|other| *other == language);
        let done = index.and_then(|index| self.compiled.get(index)).is_none_or(|cell| cell.get().is_some());
        !done && self.compiled(language).is_some()
    }

    /// The compiled rules of a language, or nothing when they do not compile, which loading has ruled out.
    pub(crate) fn compiled(&self, language: Language) -> Option<&Compiled> {
        let cell = self.compiled.get(Language::ALL.iter().position(|other| *other == language)?)?;
        cell.get_or_init(|| Compiled::new(language, &self.documents_of(language)).ok()).as_ref()
    }

    pub(crate) fn documents_of(&self, language: Language) -> Vec<&Document> {
        self.documents.iter().filter(|document| document.languages.contains(&language)).collect()
    }
}

impl Compiled {
    pub(crate) fn new(language: Language, documents: &[&Document]) -> Result<Compiled, DocumentError> {
        let mut source = String::new();
        let mut ends = Vec::new();
        for document in documents {
            source.push_str(&document.query);
            source.push('\n');
            ends.push(source.len());
        }
        let rule_at = |offset: usize| ends.partition_point(|end| *end <= offset).min(documents.len().saturating_sub(1));
        let grammar = language.grammar().ok_or_else(|| DocumentError {
            file: language.to_string(),
            line: 1,
            column: 1,
            reason: "the program was built without this language".to_owned(),
        })?;
        let query = Query::new(&grammar, &source)
            .map_err(|error| query_error(documents, &source, rule_at(error.offset), &error))?;

        let mut rule_of = Vec::new();
        let mut predicates = Vec::new();
        let issue_capture = query.capture_index_for_name("issue");
        for pattern in 0..query.pattern_count() {
            let rule = rule_at(query.start_byte_for_pattern(pattern));
            let fail = |reason: String| match documents.get(rule) {
                Some(document) => {
                    DocumentError { file: document.file.clone(), line: document.query_line, column: 1, reason }
                }
                None => DocumentError { file: language.to_string(), line: 1, column: 1, reason },
            };
            rule_of.push(rule);
            let parsed: Result<Vec<_>, String> =
                query.general_predicates(pattern).iter().map(Predicate::parse).collect();
            predicates.push(parsed.map_err(&fail)?);
            let own = documents.get(rule).is_some_and(|document| document.query.contains("@issue"));
            if !own || issue_capture.is_none() {
                return Err(fail("the query names nothing `@issue`; put it behind what is to be reported".to_owned()));
            }
        }
        let flow = flow(language, documents)?;
        let rules = documents.iter().map(|document| Rule {
            id: document.id(language),
            cwe: document.cwe,
            severity: document.severity,
            message: document.message.clone(),
        });
        let rules = rules.collect();
        Ok(Compiled { query, rules, rule_of, predicates, issue_capture: issue_capture.unwrap_or(u32::MAX), flow })
    }
}

/// What the rules of a language follow.
fn flow(language: Language, documents: &[&Document]) -> Result<Spec, DocumentError> {
    let forms = documents.iter().enumerate().filter_map(|(index, document)| Some((index, document.flow.as_ref()?)));
    let (file, world) = match worlds().iter().find(|(name, _)| *name == language.world()) {
        Some((name, text)) => (format!("flow/{name}.md"), Some(World::parse(text))),
        None => (String::new(), None),
    };
    let world = match world.transpose() {
        Ok(world) => world,
        Err(reason) => return Err(DocumentError { file, line: 1, column: 1, reason }),
    };
    Spec::new(world.as_ref(), forms).map_err(|(rule, reason)| match documents.get(rule) {
        Some(document) => DocumentError { file: document.file.clone(), line: document.flow_line, column: 1, reason },
        None => DocumentError { file, line: 1, column: 1, reason },
    })
}

fn query_error(documents: &[&Document], source: &str, rule: usize, error: &QueryError) -> DocumentError {
    let Some(document) = documents.get(rule) else {
        return DocumentError {
            file: String::new(),
            line: error.row + 1,
            column: error.column + 1,
            reason: error.message.clone(),
        };
    };
    let before: usize = documents.iter().take(rule).map(|document| document.query.len() + 1).sum();
    let rows_before = source.get(..before).map_or(0, |text| text.matches('\n').count());
    DocumentError {
        file: document.file.clone(),
        line: document.query_line + error.row.saturating_sub(rows_before),
        column: error.column + 1,
        reason: format!("the query does not fit the grammar: {:?} `{}`", error.kind, error.message.trim()),
    }
}

/// What all rules of a language share, by the name of the language.
fn worlds() -> &'static [(&'static str, &'static str)] {
    include!(concat!(env!("OUT_DIR"), "/worlds.rs"))
}

fn built_in_documents() -> &'static [(&'static str, &'static str)] {
    include!(concat!(env!("OUT_DIR"), "/documents.rs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "---\nseverity: error\nmessage: m\n---\n# mine\n```query\n(call) @issue\n```\n```python\nf()  # issue\nf\n```\n";

    fn with(file: &str, text: &str) -> Result<RuleSet, DocumentError> {
        RuleSet::with_documents(&[(file.to_owned(), text.to_owned())])
    }

    #[test]
    fn an_operators_rule_stands_beside_ours() {
        let rules = with("/etc/rules/python/mine.md", GOOD).unwrap();
        assert!(rules.ids().any(|id| id == "code.python.mine"));
        let issues = crate::scan("f()", Language::Python, &rules);
        assert_eq!(issues.iter().map(|issue| issue.rule.as_str()).collect::<Vec<_>>(), ["code.python.mine"]);
    }

    #[test]
    fn a_query_that_does_not_fit_is_named_with_its_place() {
        for (from, to, line, said) in [
            ("(call)", "\n(cool)", 8, "cool"),
            ("(call) @issue", "(call) @call", 7, "@issue"),
            ("(call) @issue", "((call) @issue (#is-bad? @issue))", 7, "is-bad?"),
            ("(call) @issue", "((call) @issue (#says? @issue \"(\"))", 7, "says?"),
        ] {
            let error = with("python/mine.md", &GOOD.replace(from, to)).err().unwrap();
            assert_eq!(error.line, line, "{error}");
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn a_rule_cannot_be_there_twice() {
        let documents =
            vec![("a/python/mine.md".to_owned(), GOOD.to_owned()), ("b/python/mine.md".to_owned(), GOOD.to_owned())];
        assert!(RuleSet::with_documents(&documents).err().unwrap().to_string().contains("rename"));
    }
}
