//! The code reader: source in, issues out.
//!
//! *Invariant: pure. It knows nothing of the network, of models or of policies.*
//!
//! ```
//! let rules = code_shield::RuleSet::built_in()?;
//! let issues = code_shield::scan_text("Try this:\n```python\nexec(input())\n```\n", &rules);
//! assert_eq!(issues[0].rule, "code.python.exec-use");
//! assert_eq!(issues[0].line, 3);
//! # Ok::<(), code_shield::DocumentError>(())
//! ```
//!
//! A rule is a Markdown document in `rules/<language>/`: why, a tree-sitter query, and examples that are its tests.
//! [`predicate`](self#predicates) names what a query may ask beyond the shape of the tree.
//!
//! # Data flow
//!
//! A rule may have a `flow` block, beside its query or in its place: the calls that must not get what comes from outside,
//! and what makes it harmless. `flow/<language>.md` says for all rules of a language where values come from. An issue then
//! shows the [`Step`]s from the source to where it does harm, and a query's `#not-literal?` and `#built-text?` are not
//! believed of a value that is constant or harmless wherever it is reached. Python, Java, JavaScript, TypeScript and Go
//! are followed, within one text.
//!
//! # Predicates
//!
//! Besides `#eq?`, `#any-of?` and `#match?` of tree-sitter and their opposites, each with a `not-` form:
//!
//! - `#literal? @x`: a constant, or a name that only ever holds constants
//! - `#resolves-to? @f "hashlib.md5" …`: a name that means one of these once the file's imports are read
//! - `#array? @x`: a name that the file declares as an array
//! - `#built-text? @x`: text put together from parts that are not all constant, here or where the name got its value
//! - `#says? @x "regex"`: the source of `@x`, or of a value its name was given, matches
//! - `#around? @x "regex"`: the source of the function around `@x`, or of the file when there is none, matches

#![forbid(unsafe_code)]

mod answer;
mod document;
mod fence;
mod find;
mod fit;
mod flow;
mod guess;
mod language;
mod lines;
mod names;
mod page;
mod predicate;
mod readable;
mod ruleset;
mod scan;
mod spelling;
pub mod text;
mod unfenced;
mod view;
mod written;

pub use answer::{scan_text, scan_text_as};
pub use document::DocumentError;
pub use fence::{CodeBlock, code_blocks};
pub use guess::guess;
pub use language::Language;
pub use ruleset::RuleSet;
pub use scan::{Issue, Step, scan};
pub use text::Severity;

#[cfg(test)]
mod rule_tests;
