//! Paths with `*`: what a source, a sink or a sanitizer is called.

use std::collections::HashMap;

/// A text in which `*` stands for anything.
#[derive(Clone, Debug)]
pub(super) struct Glob(Vec<String>);

impl Glob {
    pub(super) fn new(text: &str) -> Glob {
        Glob(text.split('*').map(str::to_owned).collect())
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.0.as_slice() else {
            return self.0.first().is_some_and(|whole| whole == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for part in middle {
            let Some(at) = rest.find(part.as_str()) else { return false };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        rest.ends_with(last.as_str())
    }
}

/// Globs with what they stand for, found by the last part of a path.
#[derive(Clone, Debug)]
pub(super) struct Patterns<T> {
    by_name: HashMap<String, Vec<(Glob, T)>>,
    /// Those whose last part has a `*` itself.
    others: Vec<(Glob, T)>,
}

impl<T> Default for Patterns<T> {
    fn default() -> Self {
        Self { by_name: HashMap::new(), others: Vec::new() }
    }
}

impl<T> Patterns<T> {
    pub(super) fn add(&mut self, path: &str, what: T) {
        let name = last(path);
        if name.contains('*') {
            self.others.push((Glob::new(path), what));
        } else {
            self.by_name.entry(name.to_owned()).or_default().push((Glob::new(path), what));
        }
    }

    pub(super) fn find<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a T> {
        let named = self.by_name.get(last(path)).into_iter().flatten();
        named.chain(&self.others).filter(|(glob, _)| glob.matches(path)).map(|(_, what)| what)
    }
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_anything() {
        for (glob, text, matches) in [
            ("os.system", "os.system", true),
            ("os.system", "os.systems", false),
            ("*.execute", "db.cursor().execute", true),
            ("*.execute", "execute", false),
            ("Runtime*.exec", "Runtime.getRuntime().exec", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c", false),
        ] {
            assert_eq!(Glob::new(glob).matches(text), matches, "{glob} {text}");
            let mut patterns = Patterns::default();
            patterns.add(glob, ());
            assert_eq!(patterns.find(text).count(), usize::from(matches), "{glob} {text}");
        }
    }
}
