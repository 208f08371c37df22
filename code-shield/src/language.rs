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
    /// PHP, in a page or alone.
    Php,
    /// C#.
    CSharp,
    /// Ruby.
    Ruby,
    /// Bash, and what it shares with other shells.
    Bash,
}

impl Language {
    /// Every language that this build reads; each is a feature of the crate.
    pub const ALL: &'static [Language] = &[
        #[cfg(feature = "python")]
        Language::Python,
        #[cfg(feature = "javascript")]
        Language::JavaScript,
        #[cfg(feature = "typescript")]
        Language::TypeScript,
        #[cfg(feature = "typescript")]
        Language::Tsx,
        #[cfg(feature = "java")]
        Language::Java,
        #[cfg(feature = "c")]
        Language::C,
        #[cfg(feature = "cpp")]
        Language::Cpp,
        #[cfg(feature = "go")]
        Language::Go,
        #[cfg(feature = "rust")]
        Language::Rust,
        #[cfg(feature = "php")]
        Language::Php,
        #[cfg(feature = "csharp")]
        Language::CSharp,
        #[cfg(feature = "ruby")]
        Language::Ruby,
        #[cfg(feature = "bash")]
        Language::Bash,
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
            Language::Php => "php",
            Language::CSharp => "csharp",
            Language::Ruby => "ruby",
            Language::Bash => "bash",
        }
    }

    /// The language a tag, an alias or a file extension means, in any case: `py`, `C++`, `language-js`.
    ///
    /// Only the first word counts, as in the info string of a fenced block; `{.python}` and `rust,ignore` are understood.
    pub fn from_tag(tag: &str) -> Option<Language> {
        Language::named(tag).filter(|language| Language::ALL.contains(language))
    }

    /// As [`Language::from_tag`], also of a language that this build does not read.
    pub(crate) fn named(tag: &str) -> Option<Language> {
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
            "php" | "php3" | "php5" | "php7" | "php8" | "phtml" => Language::Php,
            "csharp" | "c#" | "cs" | "dotnet" | "csx" | "aspnet" => Language::CSharp,
            "ruby" | "rb" | "rake" | "jruby" | "rails" => Language::Ruby,
            "bash" | "sh" | "shell" | "zsh" | "ksh" | "shellscript" => Language::Bash,
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

    /// The grammar, if this build has it.
    pub(crate) fn grammar(self) -> Option<tree_sitter::Language> {
        let grammar = match self {
            #[cfg(feature = "python")]
            Language::Python => tree_sitter_python::LANGUAGE,
            #[cfg(feature = "javascript")]
            Language::JavaScript => tree_sitter_javascript::LANGUAGE,
            #[cfg(feature = "typescript")]
            Language::TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT,
            #[cfg(feature = "typescript")]
            Language::Tsx => tree_sitter_typescript::LANGUAGE_TSX,
            #[cfg(feature = "java")]
            Language::Java => tree_sitter_java::LANGUAGE,
            #[cfg(feature = "c")]
            Language::C => tree_sitter_c::LANGUAGE,
            #[cfg(feature = "cpp")]
            Language::Cpp => tree_sitter_cpp::LANGUAGE,
            #[cfg(feature = "go")]
            Language::Go => tree_sitter_go::LANGUAGE,
            #[cfg(feature = "rust")]
            Language::Rust => tree_sitter_rust::LANGUAGE,
            #[cfg(feature = "php")]
            Language::Php => tree_sitter_php::LANGUAGE_PHP_ONLY,
            #[cfg(feature = "csharp")]
            Language::CSharp => tree_sitter_c_sharp::LANGUAGE,
            #[cfg(feature = "ruby")]
            Language::Ruby => tree_sitter_ruby::LANGUAGE,
            #[cfg(feature = "bash")]
            Language::Bash => tree_sitter_bash::LANGUAGE,
            #[expect(unreachable_patterns, reason = "it is reached in a build without some of the features")]
            _ => return None,
        };
        Some(grammar.into())
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
            ("C#", Some(Language::CSharp)),
            ("phtml", Some(Language::Php)),
            ("rb", Some(Language::Ruby)),
            ("zsh", Some(Language::Bash)),
            ("", None),
            ("text", None),
        ] {
            assert_eq!(Language::from_tag(tag), language, "{tag}");
        }
    }

    #[test]
    fn every_language_is_found_by_its_name() {
        for &language in Language::ALL {
            assert_eq!(Language::from_tag(language.name()).unwrap().name(), language.name());
        }
    }
}
