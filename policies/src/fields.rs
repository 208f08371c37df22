//! What fields the parts of a policy have: one table each, from which files are read, editors helped and readers told.

/// The fields of one part of a policy.
pub(crate) struct Table {
    /// What has them, with its article.
    pub(crate) of: &'static str,
    /// The fields, in groups that several tables may share.
    pub(crate) groups: &'static [&'static [Field]],
}

impl Table {
    /// The fields in the order in which they are told.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &'static Field> {
        self.groups.iter().flat_map(|group| group.iter())
    }
}

/// One field.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) need: Need,
    pub(crate) shape: Shape,
    /// What it says, in Markdown.
    pub(crate) about: &'static str,
}

/// Whether a field may be left out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Required,
    Optional,
}

/// What a field may hold.
pub(crate) enum Shape {
    /// A short name.
    Name,
    /// A text that is not empty.
    Text,
    /// One line of at most so many characters.
    Line(usize),
    /// A number from 0 to 1.
    Score,
    /// A part of a hundred, such as `25%`.
    Share,
    /// A day, such as `2026-12-31`.
    Day,
    /// A weakness: `CWE-79`, or its number.
    Weakness,
    /// A path of the catalog.
    Finding,
    /// A pattern in which `*` is any run of characters.
    Pattern,
    /// One of a few words.
    Word(fn() -> Vec<&'static str>),
    /// A text for each language, by its code.
    Texts(usize),
    /// The fields of a table.
    Part(&'static Table),
    /// A list of such parts.
    Parts(&'static Table),
    /// One, or a list of at least one.
    Several(&'static Shape),
    /// One of these shapes.
    Either(&'static [Shape]),
}

/// A field that must be there.
pub(crate) const fn needed(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, need: Need::Required, shape, about }
}

/// A field that may be left out.
pub(crate) const fn field(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, need: Need::Optional, shape, about }
}

/// The words of a list that pairs each with what it means.
pub(crate) fn words<T>(pairs: &[(&'static str, T)]) -> Vec<&'static str> {
    pairs.iter().map(|(word, _)| *word).collect()
}
