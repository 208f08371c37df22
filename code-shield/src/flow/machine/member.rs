//! Names, members and keys: reading them and giving them values.

use std::rc::Rc;

use super::{Machine, whole};
use crate::Language;
use crate::flow::program::{Hop, Place, Span};
use crate::flow::value::{Closure, Kind, Object, Val};

impl<'t> Machine<'_, 't> {
    pub(super) fn load(&mut self, name: &'t str, at: Span) -> Val {
        if let Some(val) = self.variable(name) {
            return val;
        }
        if let Some(class) = self.class_named(name) {
            let val = self.values.of(Kind::Class(class));
            return self.values.with_path(val, name.into());
        }
        if let Some(function) = self.function_named(name) {
            let closure = Closure { function, captured: Rc::new(Vec::new()), this: None };
            return self.values.of(Kind::Function(Rc::new(closure)));
        }
        let imported = self.names.imported(name);
        let path: Rc<str> = imported.unwrap_or(name).into();
        let val = self.read(Rc::clone(&path), None, at);
        // A name that the text says nothing about is given by somebody else; a class is not.
        let is_known = imported.is_some() || name.starts_with(char::is_uppercase) || self.values.taint(val).is_some();
        if is_known { val } else { self.values.given(path) }
    }

    pub(super) fn variable(&self, name: &str) -> Option<Val> {
        let frame = self.current()?;
        let outer = || frame.captured.iter().rev().find(|(other, _)| *other == name).map(|(_, val)| *val);
        let global = || {
            let running = self.frames.first().filter(|first| first.function == 0);
            let global = |(other, _): &&(&str, Val)| *other == name;
            match running {
                Some(first) => first.state.get(name),
                None => self.globals.iter().find(global).map(|(_, val)| *val),
            }
        };
        frame.state.get(name).or_else(outer).or_else(global)
    }

    pub(super) fn class_named(&self, name: &str) -> Option<usize> {
        let name = name.rsplit('.').next().unwrap_or(name);
        self.program.classes.iter().position(|class| class.name == name && !name.is_empty())
    }

    fn function_named(&self, name: &str) -> Option<usize> {
        self.program
            .functions
            .iter()
            .position(|function| function.name == name && !name.is_empty() && function.class.is_none())
    }

    /// A value of a path, which is from outside when a source says so.
    fn read(&mut self, path: Rc<str>, from: Option<Val>, at: Span) -> Val {
        let short = self.short(&path);
        let kind = self.spec.source_members.find(&short).fold(0, |kinds, kind| kinds | kind);
        let taint = if kind == 0 {
            from.and_then(|from| self.values.taint(from))
        } else {
            Some(self.values.source(kind, at, format!("`{short}` comes from outside").into()))
        };
        let val = self.values.carrying(taint);
        self.values.with_path(val, path)
    }

    /// A path as documents write it: without the package in languages where a class has one.
    pub(super) fn short(&self, path: &str) -> Rc<str> {
        match self.language {
            Language::Java => {}
            Language::Go => return path.rsplit('/').next().unwrap_or(path).into(),
            _ => return path.into(),
        }
        let path = path.split('<').next().filter(|start| !start.contains('(')).unwrap_or(path);
        let mut at = 0;
        for part in path.split('.') {
            if part.starts_with(char::is_uppercase) {
                return path.get(at..).unwrap_or(path).into();
            }
            if part.contains('(') {
                break;
            }
            at += part.len() + 1;
        }
        path.into()
    }

    pub(super) fn member(&mut self, object: Val, name: &'t str, at: Span) -> Val {
        let own = match self.values.kind(object) {
            Kind::Object(instance) => {
                let method = instance.class.and_then(|class| self.method(class, name));
                match (instance.field(name), method) {
                    (Some(val), _) => return val,
                    (None, Some(function)) => {
                        let closure = Closure { function, captured: Rc::new(Vec::new()), this: Some(object) };
                        return self.values.of(Kind::Function(Rc::new(closure)));
                    }
                    (None, None) => instance.rest,
                }
            }
            Kind::Class(class) => {
                let class = *class;
                let template = self.templates.get(class).copied().flatten();
                if let Some(Kind::Object(instance)) = template.map(|template| self.values.kind(template))
                    && let Some(val) = instance.field(name)
                {
                    return val;
                }
                None
            }
            Kind::Text(text) if name == "length" => {
                let length = whole(text.chars().count());
                return self.values.of(Kind::Int(length));
            }
            _ if matches!(name, "length" | "size" | "Length" | "Count") => return Val::CLEAN,
            _ => None,
        };
        let path: Rc<str> = match self.values.path(object) {
            Some(path) if path.len() < LONGEST_PATH => format!("{path}.{name}").into(),
            _ => format!("?.{name}").into(),
        };
        match own {
            Some(val) => self.values.with_path(val, path),
            None => self.read(path, Some(object), at),
        }
    }

    pub(super) fn method(&self, class: usize, name: &str) -> Option<usize> {
        let mut class = class;
        for _ in 0..8 {
            let here = self.program.classes.get(class)?;
            if let Some((_, function)) = here.methods.iter().rev().find(|(method, _)| *method == name) {
                return Some(*function);
            }
            class = self.class_named(here.base?)?;
        }
        None
    }

    /// The key a constant stands for.
    pub(super) fn key_of(&self, key: Val) -> Option<Rc<str>> {
        let value = self.values.value(key);
        match &value.kind {
            _ if value.taint.is_some() => None,
            Kind::Text(text) => Some(Rc::clone(text)),
            Kind::Int(number) => Some(number.to_string().into()),
            _ => None,
        }
    }

    pub(super) fn index(&mut self, object: Val, key: Val, _at: Span) -> Val {
        let constant = self.key_of(key);
        match (self.values.kind(object).clone(), constant) {
            (Kind::Object(fields), Some(key)) => {
                let key: Rc<str> = match (fields.length, key.parse::<i64>()) {
                    (Some(length), Ok(at)) if at < 0 => (whole(length) + at).to_string().into(),
                    _ => key,
                };
                match fields.field(&key) {
                    Some(val) if fields.rest.is_none() || fields.length.is_none() => val,
                    _ => self.any_element(object),
                }
            }
            (Kind::Object(_), None) => self.any_element(object),
            (Kind::Text(text), Some(key)) => {
                let length = whole(text.chars().count());
                let at = key.parse::<i64>().map(|at| if at < 0 { length + at } else { at });
                let found = at.ok().and_then(|at| text.chars().nth(usize::try_from(at).ok()?));
                match found {
                    Some(found) => self.values.text(&found.to_string()),
                    None => Val::CLEAN,
                }
            }
            _ => {
                let path = self.values.path(object).cloned();
                let val = self.mix(&[object]);
                match path {
                    Some(path) => self.values.with_path(val, path),
                    None => val,
                }
            }
        }
    }

    /// Any of what lies in a value.
    pub(super) fn any_element(&mut self, val: Val) -> Val {
        let Kind::Object(object) = self.values.kind(val).clone() else {
            let path = self.values.path(val).cloned();
            let element = self.mix(&[val]);
            return match path {
                Some(path) if element != Val::CLEAN => self.values.with_path(element, path),
                _ => element,
            };
        };
        let taint = self.values.value(val).taint;
        let mut all = object.fields.iter().map(|(_, val)| *val).chain(object.rest);
        let Some(first) = all.next() else { return self.values.carrying(taint) };
        let joined = all.fold(first, |joined, val| self.values.join(joined, val));
        match taint {
            Some(_) => self.mix(&[joined, val]),
            None => joined,
        }
    }

    /// An assignment in the source: sinks are asked, the name shows as a step, the type is taken from the declaration.
    pub(super) fn assign(&mut self, place: &Place<'t>, val: Val, at: Span, kind: Option<&str>) {
        self.stored(place, val, at);
        let mut val = val;
        if matches!(self.values.kind(val), Kind::Unknown) {
            if let Some(kind) = kind.filter(|_| matches!(self.language, Language::Java | Language::Go)) {
                let kind = kind.trim_start_matches(['*', '&', '?']).split('<').next().unwrap_or(kind);
                if matches!(kind, "int" | "long" | "short" | "byte" | "double" | "float" | "boolean" | "int64" | "bool")
                {
                    val = Val::CLEAN;
                } else if !matches!(kind, "var" | "String" | "Object" | "string") && !self.tells(val) {
                    val = self.values.with_path(val, kind.into());
                }
            }
        } else if let (Kind::Null, Some(kind), Language::Go) = (self.values.kind(val), kind, self.language) {
            // A declaration without a value is an empty one; what all functions see may be set by any of them.
            let shared = self.current().is_some_and(|frame| frame.function == 0);
            val = if shared {
                self.values.given(kind.into())
            } else {
                self.values.with_path(if is_text_builder(kind) { Val::CLEAN } else { Val::UNKNOWN }, kind.into())
            };
        }
        if let Some(taint) = self.values.value(val).taint {
            let shown = place.way.last().map_or(place.base, |hop| match hop {
                Hop::Member(name) | Hop::Name(name) => name,
                Hop::Key(_) | Hop::Any => place.base,
            });
            let says: Rc<str> = format!("`{shown}` takes it").into();
            let taint = self.values.step(taint, at, &says);
            val = self.values.with_taint(val, Some(taint));
        }
        self.store_place(place, val);
    }

    fn tells(&self, val: Val) -> bool {
        self.values.path(val).is_some_and(|path| self.spec.telling.iter().any(|glob| glob.matches(path)))
    }

    /// Puts a value where a place says, and makes anew all that lies around it.
    pub(super) fn store_place(&mut self, place: &Place<'t>, val: Val) {
        let mut around = Vec::new();
        let mut at = match self.variable(place.base) {
            Some(at) => at,
            None if place.way.is_empty() => Val::UNKNOWN,
            // A class or a module keeps what it is given.
            None => self.load(place.base, (0, 0)),
        };
        for hop in &place.way {
            around.push(at);
            let key = self.hop_key(hop);
            at = match (self.values.kind(at), &key) {
                (Kind::Object(object), Some(key)) => object.field(key).or(object.rest).unwrap_or(Val::UNKNOWN),
                _ => Val::UNKNOWN,
            };
        }
        let mut new = val;
        for (hop, old) in place.way.iter().zip(around).rev() {
            let path = self.values.path(old).cloned();
            let mut object = match self.values.kind(old) {
                Kind::Object(object) => (**object).clone(),
                Kind::Null | Kind::Clean => Object::default(),
                Kind::Class(_) | Kind::Function(_) => return,
                _ => Object { rest: Some(old), ..Object::default() },
            };
            if let Some(key) = self.hop_key(hop) {
                object.set(&key, new);
            } else {
                let rest = object.rest.map_or(new, |rest| self.values.join(rest, new));
                object.rest = Some(rest);
            }
            new = self.values.object(object);
            if let Some(path) = path {
                new = self.values.with_path(new, path);
            }
        }
        if let Some(frame) = self.frames.last_mut().filter(|frame| !frame.state.dead) {
            frame.state.set(place.base, new);
        }
    }

    fn hop_key(&self, hop: &Hop<'t>) -> Option<Rc<str>> {
        match hop {
            Hop::Member(name) => Some((*name).into()),
            Hop::Key(key) => Some(Rc::clone(key)),
            Hop::Name(name) => self.variable(name).and_then(|val| self.key_of(val)),
            Hop::Any => None,
        }
    }
}

fn is_text_builder(kind: &str) -> bool {
    kind.ends_with("strings.Builder") || kind.ends_with("bytes.Buffer") || kind == "string"
}

const LONGEST_PATH: usize = 200;
