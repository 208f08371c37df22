//! The categories a Llama Guard judges by.

use super::PromptError;
use crate::HazardId;

/// One category.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// Its code in the model's words, such as `S1`.
    pub code: String,
    /// Its name in the model's words, without a full stop.
    pub name: String,
    /// What it covers, in as many lines as it takes. The shipped lists have none.
    #[serde(default)]
    pub description: Option<String>,
    /// All that follows the code in a prompt, where it was given in one piece; wins over name and description.
    #[serde(skip)]
    pub text: Option<String>,
    /// Which of our hazards it is; without any, a hazard of the category's own code.
    #[serde(default)]
    pub hazards: Vec<HazardId>,
}

impl Category {
    /// A category out of its text in a prompt, which is told as it stands: a line with its name, and what it covers below.
    pub fn of_text(code: &str, text: &str) -> Self {
        let (name, description) = match text.split_once('\n') {
            Some((name, description)) => (name, Some(description.to_owned())),
            None => (text, None),
        };
        let name = name.trim_end();
        let name = name.strip_suffix('.').unwrap_or(name).to_owned();
        Self { code: code.to_owned(), name, description, text: Some(text.to_owned()), hazards: Vec::new() }
    }
}

/// A list of categories, in the order they are told to the model.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Categories {
    /// The list's name.
    pub taxonomy: String,
    /// The categories.
    pub categories: Vec<Category>,
}

impl Categories {
    /// A shipped list: `llama-guard-1`, `llama-guard-2`, `llama-guard-3` (also Llama Guard 4's), `llama-guard-3-1b`.
    ///
    /// # Errors
    /// [`PromptError::UnknownCategories`].
    pub fn named(name: &str) -> Result<Self, PromptError> {
        let known = || FILES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let file = FILES.iter().find(|(known, _)| *known == name);
        let (name, text) =
            file.ok_or_else(|| PromptError::UnknownCategories { name: name.to_owned(), known: known() })?;
        Self::parse(name, text)
    }

    /// The list in the file at `path`.
    ///
    /// # Errors
    /// [`PromptError::File`] when it cannot be read, and as [`Categories::parse`].
    pub fn open(path: &std::path::Path) -> Result<Self, PromptError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| PromptError::File { name: name.clone(), reason: error.to_string() })?;
        Self::parse(&name, &text)
    }

    /// A list from the text of a file.
    ///
    /// # Errors
    /// [`PromptError::File`] with line and column, also when a code comes twice or is no word, and
    /// [`PromptError::NoCategories`].
    pub fn parse(name: &str, text: &str) -> Result<Self, PromptError> {
        let wrong = |reason: String| PromptError::File { name: name.to_owned(), reason };
        let list: Self = serde_saphyr::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let mut codes = std::collections::BTreeSet::new();
        for category in &list.categories {
            let code = category.code.as_str();
            if code.is_empty() || !code.chars().all(|letter| letter.is_ascii_alphanumeric()) {
                return Err(wrong(format!("the code `{code}` is not letters and digits")));
            }
            if !codes.insert(code) {
                return Err(wrong(format!("the code `{code}` comes twice")));
            }
        }
        if list.categories.is_empty() { Err(PromptError::NoCategories) } else { Ok(list) }
    }

    /// The list without some codes.
    ///
    /// # Errors
    /// [`PromptError::UnknownCategory`] when one is not in it, [`PromptError::NoCategories`] when none is left.
    pub fn without<S: AsRef<str>>(mut self, codes: &[S]) -> Result<Self, PromptError> {
        for code in codes.iter().map(AsRef::as_ref) {
            if !self.categories.iter().any(|category| category.code == code) {
                return Err(PromptError::UnknownCategory { code: code.to_owned(), known: self.codes() });
            }
        }
        self.categories.retain(|category| !codes.iter().any(|code| code.as_ref() == category.code));
        if self.categories.is_empty() { Err(PromptError::NoCategories) } else { Ok(self) }
    }

    /// The codes, for people.
    pub fn codes(&self) -> String {
        self.categories.iter().map(|category| category.code.as_str()).collect::<Vec<_>>().join(", ")
    }
}

const FILES: [(&str, &str); 4] = [
    ("llama-guard-1", include_str!("../../taxonomies/llama-guard-1.yaml")),
    ("llama-guard-2", include_str!("../../taxonomies/llama-guard-2.yaml")),
    ("llama-guard-3", include_str!("../../taxonomies/llama-guard-3.yaml")),
    ("llama-guard-3-1b", include_str!("../../taxonomies/llama-guard-3-1b.yaml")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Taxonomy;

    #[test]
    fn shipped_lists_name_only_hazards_of_ours() {
        let ours = Taxonomy::embedded().unwrap();
        for ((name, _), count) in FILES.iter().zip([6, 11, 14, 13]) {
            let list = Categories::named(name).unwrap();
            assert_eq!((list.taxonomy.as_str(), list.categories.len()), (*name, count));
            for category in &list.categories {
                assert!(!category.hazards.is_empty() && category.description.is_none(), "{name} {}", category.code);
                assert!(category.hazards.iter().all(|hazard| ours.hazard(hazard.as_str()).is_some()));
            }
        }
        assert!(Categories::named("llama-guard-9").unwrap_err().to_string().contains("llama-guard-3-1b"));
    }

    #[test]
    fn categories_can_be_left_out_but_not_all_of_them() {
        let list = Categories::named("llama-guard-1").unwrap().without(&["O2", "O6"]).unwrap();
        assert_eq!(list.codes(), "O1, O3, O4, O5");
        let error = list.clone().without(&["O2"]).unwrap_err().to_string();
        assert_eq!(error, "there is no category `O2` to leave out; there are O1, O3, O4, O5");
        assert_eq!(list.without(&["O1", "O3", "O4", "O5"]), Err(PromptError::NoCategories));
    }

    #[test]
    fn a_file_that_is_wrong_says_where() {
        let of = |text: &str| Categories::parse("mine.yaml", text).unwrap_err().to_string();
        assert!(of("taxonomy: mine\ncategories:\n  - {code: X, nam: Y}\n").contains("nam"));
        assert!(of("taxonomy: mine\ncategories:\n  - {code: X, name: Y}\n  - {code: X, name: Z}\n").contains("twice"));
        assert!(of("taxonomy: mine\ncategories:\n  - {code: \"X,\", name: Y}\n").contains("letters and digits"));
        assert_eq!(of("taxonomy: mine\ncategories: []\n"), "no category is left to judge by");
    }
}
