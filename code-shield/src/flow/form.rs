//! How sources, sinks, sanitizers and propagators are written in documents.
//!
//! A path is `package.name`, with `*` for anything; `()` behind it says that it is called.
//!
//! | written | means |
//! |---|---|
//! | `flask.request.args` | reading this gives a value from outside |
//! | `*equest.getParameter()` | so does calling this |
//! | `os.system(0)` | the first argument must not come from outside |
//! | `*.exec(0:command)` | the same, but of a list only its program, or what a shell is given to read |
//! | `subprocess.run(0:shell)` | only of a list, and only what a shell is given to read |
//! | `res.send(0:text)` | the same, but a list or a map does no harm |
//! | `subprocess.run(0, shell=True)` | only when this argument is this |
//! | `*.format(1.., this)` | this argument and all behind it; the receiver |
//! | `*.innerHTML=`, `session[]=` | what is assigned to a member, or under a key |
//! | `return` | what a handler of requests returns |
//! | `json.Unmarshal(0 -> 1)` | a propagator: the first argument shows in the second |
//! | `fmt.Scanln(input -> 0)` | the first argument gets something from outside, of this kind |

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;

use super::pattern::{Glob, Patterns};

/// The `flow` block of a rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Form {
    /// The kinds of sources that matter; all when it is left out.
    #[serde(default)]
    from: Vec<String>,
    sinks: Vec<String>,
    /// Calls that are no sinks although one of the paths above fits them.
    #[serde(default)]
    except: Vec<String>,
    #[serde(default)]
    sanitizers: Vec<String>,
    /// Texts that a value must contain to do harm: one that was tested or cleaned of them is harmless.
    #[serde(default)]
    harmless_without: Vec<String>,
    /// Arguments that must not be certain constants: a call with one argument, and a regular expression.
    #[serde(default)]
    constants: BTreeMap<String, String>,
}

/// What a language's own document says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct World {
    /// By kind: `request`, `environment`, `arguments`, `input`, `file`, `network`.
    #[serde(default)]
    sources: BTreeMap<String, Vec<String>>,
    /// Decorators and annotations of functions whose parameters come from outside.
    #[serde(default)]
    handlers: Vec<String>,
    /// Parameters that come from outside, as they are written.
    #[serde(default)]
    parameters: Vec<String>,
    /// Calls whose results can do no harm: numbers, mostly.
    #[serde(default)]
    sanitizers: Vec<String>,
    /// Calls whose results do not show what they were given.
    #[serde(default)]
    quiet: Vec<String>,
    #[serde(default)]
    propagators: Vec<String>,
    /// Calls whose path tells more about their result than the type it is declared with.
    #[serde(default)]
    telling: Vec<String>,
    /// Constructors of empty collections.
    #[serde(default)]
    collections: Vec<String>,
}

impl World {
    /// Reads the `flow` blocks of a language's document.
    pub(crate) fn parse(markdown: &str) -> Result<World, String> {
        let block = markdown.split_once("\n```flow\n").and_then(|(_, rest)| rest.split_once("\n```"));
        let (yaml, _) = block.ok_or("a ```flow block is missing")?;
        serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
    }
}

/// Everything a language's flow knows, ready to ask.
#[derive(Default)]
pub(crate) struct Spec {
    pub(super) rules: Vec<FlowRule>,
    pub(super) kinds: Vec<String>,
    pub(super) source_calls: Patterns<u16>,
    pub(super) source_members: Patterns<u16>,
    pub(super) sinks: Patterns<Sink>,
    pub(super) except: Patterns<usize>,
    pub(super) stores: Patterns<usize>,
    pub(super) returns: Vec<usize>,
    pub(super) sanitizers: Patterns<u64>,
    pub(super) quiet: Patterns<()>,
    pub(super) propagators: Patterns<(Selector, Selector)>,
    pub(super) collections: Patterns<()>,
    pub(super) constants: Patterns<(usize, Selector, Regex)>,
    pub(super) telling: Vec<Glob>,
    pub(super) handlers: Vec<Glob>,
    pub(super) parameters: Vec<Glob>,
    /// For everything that a text must name before there is anything to follow: the words it is written with.
    hints: Vec<Vec<String>>,
}

/// One rule: its place among the rules of the language, and the kinds of sources it asks for.
#[derive(Clone, Debug)]
pub(super) struct FlowRule {
    pub(super) rule: usize,
    pub(super) kinds: u16,
    pub(super) harmless_without: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Sink {
    /// The place of its rule in [`Spec::rules`].
    pub(super) rule: usize,
    pub(super) selectors: Vec<(Selector, Shape)>,
    pub(super) conditions: Vec<(String, String)>,
}

/// Which argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selector {
    At(usize),
    From(usize),
    All,
    This,
    Named(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Any,
    /// A list is a program and its arguments.
    Command,
    /// Only of a list: what a shell is given to read.
    Shell,
    /// Text; what is not text does no harm.
    Text,
}

impl Spec {
    /// The flow of a language: its own document, and its rules with their places.
    pub(crate) fn new<'a>(
        world: Option<&World>,
        forms: impl Iterator<Item = (usize, &'a Form)>,
    ) -> Result<Spec, (usize, String)> {
        let mut spec = Spec::default();
        if let Some(world) = world {
            spec.world(world).map_err(|reason| (usize::MAX, reason))?;
        }
        for (rule, form) in forms {
            spec.rule(rule, form).map_err(|reason| (rule, reason))?;
        }
        Ok(spec)
    }

    fn world(&mut self, world: &World) -> Result<(), String> {
        for (kind, paths) in &world.sources {
            let bit = self.kind(kind)?;
            for path in paths {
                self.hint(path);
                match path.strip_suffix("()") {
                    Some(path) => self.source_calls.add(path, bit),
                    None => self.source_members.add(path, bit),
                }
            }
        }
        self.kind("request")?;
        let marks = world.handlers.iter().chain(&world.parameters);
        let words = |mark: &String| mark.split('*').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        self.hints.extend(marks.map(words));
        self.handlers = world.handlers.iter().map(|text| Glob::new(text)).collect();
        self.parameters = world.parameters.iter().map(|text| Glob::new(text)).collect();
        self.telling = world.telling.iter().map(|text| Glob::new(text)).collect();
        for path in &world.sanitizers {
            self.sanitizers.add(called(path)?, u64::MAX);
        }
        for path in &world.quiet {
            self.quiet.add(called(path)?, ());
        }
        for path in &world.collections {
            self.collections.add(called(path)?, ());
        }
        for text in &world.propagators {
            let wrong = || format!("`{text}` must look like `path(0 -> 1)`");
            let (path, inner) = text.strip_suffix(')').and_then(|text| text.rsplit_once('(')).ok_or_else(wrong)?;
            let (from, to) = inner.split_once("->").ok_or_else(wrong)?;
            let kind = self.kinds.iter().find(|kind| *kind == from.trim());
            let is_source = kind.is_some();
            let from = kind.map_or_else(|| selector(from), |kind| Ok(Selector::Named(kind.clone())))?;
            self.propagators.add(path, (from, selector(to)?));
            if is_source {
                self.hint(path);
            }
        }
        Ok(())
    }

    /// Whether a text names a source, or a call that must not be given certain constants.
    pub(crate) fn may_speak(&self, source: &str) -> bool {
        self.hints.iter().any(|words| words.iter().all(|word| source.contains(word.as_str())))
    }

    fn hint(&mut self, path: &str) {
        let words = path.split(['.', '*', '(', ')', '/']).filter(|word| !word.is_empty());
        self.hints.push(words.map(str::to_owned).collect());
    }

    /// Whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules that follow data: each one's place in the language, and its place among these.
    pub(super) fn places(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.rules.iter().enumerate().map(|(place, rule)| (rule.rule, place))
    }

    /// The place of a flow rule among the rules of its language.
    pub(super) fn rule_of(&self, index: usize) -> Option<usize> {
        self.rules.get(index).map(|rule| rule.rule)
    }

    fn kind(&mut self, name: &str) -> Result<u16, String> {
        let at = self.kinds.iter().position(|kind| kind == name).unwrap_or_else(|| {
            self.kinds.push(name.to_owned());
            self.kinds.len() - 1
        });
        1_u16.checked_shl(at as u32).ok_or_else(|| "there are more than 16 kinds of sources".to_owned())
    }

    fn rule(&mut self, rule: usize, form: &Form) -> Result<(), String> {
        let index = self.rules.len();
        if index >= 63 {
            return Err("there are more than 63 rules with a `flow` block; put two into one".to_owned());
        }
        let mut kinds = if form.from.is_empty() { u16::MAX } else { 0 };
        for kind in &form.from {
            let at = self.kinds.iter().position(|known| known == kind);
            let at =
                at.ok_or_else(|| format!("`from: {kind}` is no kind of source; these are: {}", self.kinds.join(", ")))?;
            kinds |= 1 << at;
        }
        self.rules.push(FlowRule { rule, kinds, harmless_without: form.harmless_without.clone() });
        for text in &form.sinks {
            if text == "return" {
                self.returns.push(index);
            } else if let Some(path) = text.strip_suffix('=') {
                self.stores.add(path, index);
            } else {
                let (path, sink) = sink(text, index)?;
                self.sinks.add(path, sink);
            }
        }
        for text in &form.except {
            self.except.add(called(text)?, index);
        }
        for text in &form.sanitizers {
            self.sanitizers.add(called(text)?, 1 << index);
        }
        for (call, pattern) in &form.constants {
            let (path, sink) = sink(call, index)?;
            self.hint(path);
            let pattern = Regex::new(pattern).map_err(|error| format!("`{call}`: {error}"))?;
            for (selector, _) in sink.selectors {
                self.constants.add(path, (index, selector, pattern.clone()));
            }
        }
        Ok(())
    }
}

fn called(text: &str) -> Result<&str, String> {
    text.strip_suffix("()").ok_or_else(|| format!("`{text}` must end in `()`"))
}

fn sink(text: &str, rule: usize) -> Result<(&str, Sink), String> {
    let (path, inner) = text
        .strip_suffix(')')
        .and_then(|text| text.rsplit_once('('))
        .ok_or_else(|| format!("`{text}` must say which arguments matter, such as `{text}(0)`"))?;
    let mut sink = Sink { rule, selectors: Vec::new(), conditions: Vec::new() };
    for part in inner.split(',').map(str::trim) {
        match part.split_once('=') {
            Some((name, "")) => sink.selectors.push((Selector::Named(name.to_owned()), Shape::Any)),
            Some((name, value)) => sink.conditions.push((name.to_owned(), value.to_owned())),
            None => sink.selectors.push(match part.split_once(':') {
                Some((part, "command")) => (selector(part)?, Shape::Command),
                Some((part, "shell")) => (selector(part)?, Shape::Shell),
                Some((part, "text")) => (selector(part)?, Shape::Text),
                _ => (selector(part)?, Shape::Any),
            }),
        }
    }
    Ok((path, sink))
}

fn selector(text: &str) -> Result<Selector, String> {
    let text = text.trim();
    match text {
        "*" => return Ok(Selector::All),
        "this" => return Ok(Selector::This),
        _ => {}
    }
    let (number, rest) = match text.strip_suffix("..") {
        Some(number) => (number, true),
        None => (text, false),
    };
    let number =
        number.parse().map_err(|_| format!("`{text}` is no argument; say `0`, `1..`, `*`, `this` or `name=`"))?;
    Ok(if rest { Selector::From(number) } else { Selector::At(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_is_read() {
        let (path, read) = sink("subprocess.run(0, 2.., this, shell=True, data=)", 3).unwrap();
        assert_eq!((path, read.rule), ("subprocess.run", 3));
        let selectors: Vec<_> = read.selectors.into_iter().map(|(selector, _)| selector).collect();
        let named = Selector::Named("data".to_owned());
        assert_eq!(selectors, [Selector::At(0), Selector::From(2), Selector::This, named]);
        assert_eq!(read.conditions, [("shell".to_owned(), "True".to_owned())]);
        assert!(sink("os.system", 0).is_err());
        assert!(sink("os.system(first)", 0).is_err());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let form = |text: &str| serde_saphyr::from_str::<Form>(text).unwrap();
        for (text, said) in [
            ("sinks: ['f(x)']", "no argument"),
            ("sinks: [f]", "which arguments"),
            ("{from: [moon], sinks: ['f(0)']}", "moon"),
            ("{sinks: ['f(0)'], sanitizers: [g]}", "`()`"),
        ] {
            let error = Spec::new(None, [(7, &form(text))].into_iter()).err().unwrap();
            assert_eq!(error.0, 7);
            assert!(error.1.contains(said), "{}", error.1);
        }
    }
}
