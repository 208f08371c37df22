//! What the methods of lists, maps, text and builders do.

use std::rc::Rc;

use super::{Machine, is_builder, whole};
use crate::flow::program::Call;
use crate::flow::value::{Kind, Object, Val};

impl<'p, 't> Machine<'p, 't> {
    /// The result of a method of a built-in type, or nothing when it is not one we know.
    pub(super) fn built_in(&mut self, name: &str, call: &'p Call<'t>, below: Val, arguments: &[Val]) -> Option<Val> {
        if self.values.path(below).is_some_and(|path| is_builder(path)) {
            return self.builder(name, call, below, arguments);
        }
        match self.values.kind(below).clone() {
            Kind::Object(object) => self.collection(name, call, below, &object, arguments),
            Kind::Text(text) if self.values.value(below).taint.is_none() => self.constant_text(name, &text, arguments),
            _ => self.text(name, below, arguments),
        }
    }

    fn builder(&mut self, name: &str, call: &'p Call<'t>, below: Val, arguments: &[Val]) -> Option<Val> {
        let path = self.values.path(below).cloned()?;
        let new = match name {
            "append" | "write" | "WriteString" | "WriteByte" | "WriteRune" | "Write" => {
                let mut parts = vec![below];
                parts.extend(arguments.first());
                self.build(&parts)
            }
            "insert" => {
                let mut parts: Vec<Val> = arguments.iter().skip(1).copied().collect();
                parts.push(below);
                self.build(&parts)
            }
            "setLength" | "Reset" => self.values.text(""),
            "toString" | "getvalue" | "String" | "reverse" | "substring" => return Some(self.bare(below)),
            "replace" if arguments.len() == 3 => {
                let parts = [below, *arguments.get(2)?];
                self.build(&parts)
            }
            _ => return None,
        };
        let new = self.values.with_path(new, path);
        if let Some(place) = &call.receiver {
            self.store_place(place, new);
        }
        Some(new)
    }

    /// The text of a builder.
    fn bare(&mut self, val: Val) -> Val {
        let value = self.values.value(val).clone();
        self.values.add(crate::flow::value::Value { path: None, ..value })
    }

    fn collection(
        &mut self,
        name: &str,
        call: &'p Call<'t>,
        below: Val,
        object: &Rc<Object>,
        arguments: &[Val],
    ) -> Option<Val> {
        let mut new = (**object).clone();
        let first = arguments.first().copied();
        let second = arguments.get(1).copied();
        let result = match (name, first, second) {
            ("append" | "add" | "push" | "addLast" | "offer" | "appendleft" | "addElement", Some(val), None) => {
                self.push_back(&mut new, val);
                Val::TRUE
            }
            ("add" | "insert", Some(at), Some(val)) => {
                match (self.key_of(at).and_then(|key| key.parse::<usize>().ok()), new.length) {
                    (Some(at), Some(length)) => insert(&mut new, at.min(length), val),
                    _ => self.push_back(&mut new, val),
                }
                Val::NULL
            }
            ("remove" | "pop" | "removeFirst" | "shift" | "poll" | "popleft" | "removeLast", at, _) => {
                let element = self.any_element(below);
                let length = new.length.unwrap_or(0);
                let at = match (name, at) {
                    ("removeFirst" | "shift" | "poll" | "popleft", _) => Some(0),
                    ("pop" | "removeLast", None) => length.checked_sub(1),
                    (_, Some(at)) => match self.values.kind(at) {
                        Kind::Int(-1) => length.checked_sub(1),
                        Kind::Int(at) => usize::try_from(*at).ok(),
                        _ => None,
                    },
                    _ => None,
                };
                if let (Some(at), Some(_)) = (at, new.length) {
                    remove(&mut new, at).unwrap_or(element)
                } else {
                    let key = first.and_then(|key| self.key_of(key)).filter(|_| new.length.is_none());
                    let taken = key.and_then(|key| {
                        let at = new.fields.iter().position(|(name, _)| *name == key)?;
                        Some(new.fields.remove(at).1)
                    });
                    taken.unwrap_or(element)
                }
            }
            (
                "put" | "set" | "__setitem__" | "setdefault" | "setProperty" | "putIfAbsent" | "setAttribute",
                Some(key),
                Some(val),
            ) => {
                match (arguments.get(2), self.key_of(key)) {
                    // A section, a key and a value.
                    (Some(deep), Some(key)) => {
                        let key = format!("{key}\u{0}{}", self.key_of(val).unwrap_or_default());
                        new.set(&key, *deep);
                    }
                    (_, Some(key)) => new.set(&key, val),
                    (_, None) => new.rest = Some(new.rest.map_or(val, |rest| self.values.join(rest, val))),
                }
                Val::NULL
            }
            ("get" | "elementAt" | "getProperty" | "getOrDefault" | "at" | "getAttribute", Some(key), other) => {
                let section = other.and_then(|other| self.key_of(other));
                let key = self.key_of(key);
                let deep =
                    key.as_ref().zip(section).and_then(|(key, inner)| object.field(&format!("{key}\u{0}{inner}")));
                let found = deep.or_else(|| object.field(&key?));
                return Some(match (found, object.rest, other) {
                    (Some(found), _, _) => found,
                    (None, Some(_), _) => self.any_element(below),
                    (None, None, _) if object.class.is_some() => return None,
                    (None, None, Some(other)) if object.length.is_none() => other,
                    (None, None, _) if object.length.is_some() || !object.fields.is_empty() => self.any_element(below),
                    (None, None, _) => Val::NULL,
                });
            }
            ("addAll" | "extend" | "update" | "putAll", Some(other), _) => {
                self.take_all(&mut new, other);
                Val::NULL
            }
            ("clear", _, _) => {
                new = Object { class: object.class, length: object.length.map(|_| 0), ..Object::default() };
                Val::NULL
            }
            ("size" | "count" | "length" | "isEmpty", None, _) => {
                return Some(match object.length {
                    Some(length) => self.values.of(Kind::Int(whole(length))),
                    None => Val::CLEAN,
                });
            }
            _ => return self.bean(name, call, below, object, arguments),
        };
        let path = self.values.path(below).cloned();
        let mut changed = self.values.object(new);
        if let Some(path) = path {
            changed = self.values.with_path(changed, path);
        }
        if let Some(place) = &call.receiver {
            self.store_place(place, changed);
        }
        Some(result)
    }

    /// `setName(x)` and `getName()` of an instance from elsewhere.
    fn bean(
        &mut self,
        name: &str,
        call: &'p Call<'t>,
        below: Val,
        object: &Rc<Object>,
        arguments: &[Val],
    ) -> Option<Val> {
        let own = |start: &str| name.strip_prefix(start).filter(|rest| rest.starts_with(char::is_uppercase));
        if let (Some(field), [val]) = (own("set"), arguments) {
            let mut new = (**object).clone();
            new.set(field, *val);
            let changed = self.values.object(new);
            if let Some(place) = &call.receiver {
                self.store_place(place, changed);
            }
            return Some(Val::NULL);
        }
        if let (Some(field), []) = (own("get").or_else(|| own("is")), arguments) {
            return object.field(field);
        }
        if matches!(
            name,
            "iterator" | "values" | "items" | "keys" | "entrySet" | "toArray" | "copy" | "stream" | "keySet"
        ) {
            return Some(self.any_element(below));
        }
        None
    }

    fn take_all(&mut self, object: &mut Object, other: Val) {
        let element = self.any_element(other);
        if let (Kind::Object(more), None) = (self.values.kind(other).clone(), object.length) {
            for (key, val) in &more.fields {
                object.set(key, *val);
            }
        } else {
            object.rest = Some(object.rest.map_or(element, |rest| self.values.join(rest, element)));
            object.length = None;
        }
    }

    fn push_back(&mut self, object: &mut Object, val: Val) {
        match object.length {
            Some(length) => {
                object.set(&length.to_string(), val);
                object.length = Some(length + 1);
            }
            // An empty collection becomes a list with its first element.
            None if object.fields.is_empty() && object.rest.is_none() => {
                object.set("0", val);
                object.length = Some(1);
            }
            None => object.rest = Some(object.rest.map_or(val, |rest| self.values.join(rest, val))),
        }
    }

    fn constant_text(&mut self, name: &str, text: &str, arguments: &[Val]) -> Option<Val> {
        let argument = arguments.first().map(|val| self.values.kind(*val).clone());
        let kind = match (name, argument) {
            ("charAt" | "codePointAt", Some(Kind::Int(at))) => {
                let found = usize::try_from(at).ok().and_then(|at| text.chars().nth(at));
                Kind::Text(found.map(|c| c.to_string()).unwrap_or_default().into())
            }
            ("length", None) => Kind::Int(whole(text.chars().count())),
            ("toUpperCase" | "upper", None) => Kind::Text(text.to_uppercase().into()),
            ("toLowerCase" | "lower", None) => Kind::Text(text.to_lowercase().into()),
            ("trim" | "strip" | "toString" | "intern", None) => Kind::Text(text.trim().into()),
            ("substring", Some(Kind::Int(from))) => {
                let to = arguments.get(1).and_then(|to| match self.values.kind(*to) {
                    Kind::Int(to) => usize::try_from(*to).ok(),
                    _ => None,
                });
                let from = usize::try_from(from).ok()?;
                let length = to.unwrap_or(usize::MAX).saturating_sub(from);
                Kind::Text(text.chars().skip(from).take(length).collect::<String>().into())
            }
            ("startswith" | "startsWith", Some(Kind::Text(start))) => Kind::Bool(text.starts_with(&*start)),
            _ => return None,
        };
        Some(self.values.of(kind))
    }

    /// Text that is not constant: taking out what makes it dangerous makes it harmless.
    fn text(&mut self, name: &str, below: Val, arguments: &[Val]) -> Option<Val> {
        if !matches!(name, "replace" | "replaceAll" | "translate" | "strip" | "ReplaceAll") {
            return None;
        }
        let Kind::Text(gone) = self.values.kind(*arguments.first()?).clone() else { return None };
        if let Some(Kind::Text(with)) = arguments.get(1).map(|with| self.values.kind(*with))
            && with.contains(&*gone)
        {
            return None;
        }
        let parts: Vec<Val> = [below].into_iter().chain(arguments.iter().copied()).collect();
        let mixed = self.mix(&parts);
        let cleaned = self.without(mixed, &gone);
        Some(cleaned)
    }
}

fn insert(object: &mut Object, at: usize, val: Val) {
    let length = object.length.unwrap_or(0);
    let mut items: Vec<Val> = (0..length).filter_map(|index| object.field(&index.to_string())).collect();
    items.insert(at.min(items.len()), val);
    relist(object, items);
}

fn remove(object: &mut Object, at: usize) -> Option<Val> {
    let length = object.length?;
    let mut items: Vec<Val> = (0..length).filter_map(|index| object.field(&index.to_string())).collect();
    let gone = (at < items.len()).then(|| items.remove(at));
    relist(object, items);
    gone
}

fn relist(object: &mut Object, items: Vec<Val>) {
    object.length = Some(items.len());
    object.fields = items.into_iter().enumerate().map(|(index, val)| (index.to_string().into(), val)).collect();
}
