//! The languages whose code is read.

use std::fmt;

/// A programming language with a grammar and rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// Python 3.
    Python,
    /// JavaScript, with JSX.
    JavaScript,
    /// TypeScript.
    TypeScript,
    /// TypeScript with JSX; its rules have the ids of TypeScript.
    Tsx,
    /// Java.
    Java,
    /// C.
    C,
    /// C++.
    Cpp,
    /// Go.
    Go,
    /// Rust.
    Rust,
}

impl Language {
    /// Every language.
    pub const ALL: [Language; 9] = [
        Language::Python,
        Language::JavaScript,
        Language::TypeScript,
        Language::Tsx,
        Language::Java,
        Language::C,
        Language::Cpp,
        Language::Go,
        Language::Rust,
    ];

    /// The name in rule ids, folders and reports.
    pub fn name(self) -> &'static str {
        match self {
            Language::Python => "python",
            Language::JavaScript => "javascript",
            Language::TypeScript | Language::Tsx => "typescript",
            Language::Java => "java",
            Language::C => "c",
            Language::Cpp => "cpp",
            Language::Go => "go",
            Language::Rust => "rust",
        }
    }

    /// The language a tag, an alias or a file extension means, in any case: `py`, `C++`, `language-js`.
    ///
    /// Only the first word counts, as in the info string of a fenced block; `{.python}` and `rust,ignore` are understood.
    pub fn from_tag(tag: &str) -> Option<Language> {
        let word = tag.trim().trim_start_matches(['{', '.']).split([' ', '\t', ',', '}', '{', ':', ';']).next()?;
        let word = word.to_ascii_lowercase();
        let word = word.strip_prefix("language-").or_else(|| word.strip_prefix("lang-")).unwrap_or(&word);
        Some(match word {
            "python" | "py" | "python3" | "python2" | "py3" | "pyi" | "pyw" | "ipython" | "pycon" => Language::Python,
            "javascript" | "js" | "jsx" | "mjs" | "cjs" | "node" | "nodejs" | "ecmascript" => Language::JavaScript,
            "typescript" | "ts" | "mts" | "cts" => Language::TypeScript,
            "tsx" => Language::Tsx,
            "java" => Language::Java,
            "c" | "h" | "c99" | "c11" => Language::C,
            "cpp" | "c++" | "cc" | "cxx" | "hpp" | "hxx" | "hh" | "h++" | "arduino" | "ino" => Language::Cpp,
            "go" | "golang" => Language::Go,
            "rust" | "rs" => Language::Rust,
            _ => return None,
        })
    }

    /// The document in `flow/` that says where its values come from.
    pub(crate) fn world(self) -> &'static str {
        match self {
            Language::TypeScript | Language::Tsx => "javascript",
            other => other.name(),
        }
    }

    pub(crate) fn grammar(self) -> tree_sitter::Language {
        match self {
            Language::Python => tree_sitter_python::LANGUAGE,
            Language::JavaScript => tree_sitter_javascript::LANGUAGE,
            Language::TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT,
            Language::Tsx => tree_sitter_typescript::LANGUAGE_TSX,
            Language::Java => tree_sitter_java::LANGUAGE,
            Language::C => tree_sitter_c::LANGUAGE,
            Language::Cpp => tree_sitter_cpp::LANGUAGE,
            Language::Go => tree_sitter_go::LANGUAGE,
            Language::Rust => tree_sitter_rust::LANGUAGE,
        }
        .into()
    }
}

impl fmt::Display for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_understood() {
        for (tag, language) in [
            ("py", Some(Language::Python)),
            ("C++", Some(Language::Cpp)),
            ("{.rust .numbered}", Some(Language::Rust)),
            ("rust,ignore", Some(Language::Rust)),
            ("language-js", Some(Language::JavaScript)),
            ("tsx title=\"a.tsx\"", Some(Language::Tsx)),
            ("", None),
            ("text", None),
        ] {
            assert_eq!(Language::from_tag(tag), language, "{tag}");
        }
    }

    #[test]
    fn every_language_is_found_by_its_name() {
        for language in Language::ALL {
            assert_eq!(Language::from_tag(language.name()).unwrap().name(), language.name());
        }
    }
}
