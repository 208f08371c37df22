//! What is known of a value: a constant, made of constants alone, from outside, or nothing.

use std::rc::Rc;

use super::program::Span;

/// A value, by its place in [`Values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Val(u32);

impl Val {
    pub(super) const UNKNOWN: Val = Val(0);
    pub(super) const CLEAN: Val = Val(1);
    pub(super) const NULL: Val = Val(2);
    pub(super) const TRUE: Val = Val(3);
    pub(super) const FALSE: Val = Val(4);
}

/// All values of one run; none changes once it is there, so a state is copied by copying numbers.
pub(super) struct Values<'t> {
    all: Vec<Value<'t>>,
    steps: Vec<StepNode>,
}

#[derive(Clone, Debug)]
pub(super) struct Value<'t> {
    pub(super) kind: Kind<'t>,
    pub(super) taint: Option<Taint>,
    /// The dotted path it was read from, or its type.
    pub(super) path: Option<Rc<str>>,
}

#[derive(Clone, Debug)]
pub(super) enum Kind<'t> {
    Unknown,
    /// Made of constants, or of such a kind that it cannot carry an attack: a number, say.
    Clean,
    Null,
    Bool(bool),
    Int(i64),
    Text(Rc<str>),
    Object(Rc<Object>),
    Function(Rc<Closure<'t>>),
    Class(usize),
    /// A condition that says something about names.
    Test(Rc<Test<'t>>),
}

/// A list, a map or an instance.
#[derive(Clone, Debug, Default)]
pub(super) struct Object {
    pub(super) class: Option<usize>,
    pub(super) fields: Vec<(Rc<str>, Val)>,
    /// What lies under keys that are not known.
    pub(super) rest: Option<Val>,
    /// For a list whose length is known.
    pub(super) length: Option<usize>,
    /// Objects inside one another.
    pub(super) depth: u8,
}

/// A function with the names around it.
#[derive(Clone, Debug)]
pub(super) struct Closure<'t> {
    pub(super) function: usize,
    pub(super) captured: Rc<Vec<(&'t str, Val)>>,
    pub(super) this: Option<Val>,
}

/// Facts that hold where the condition is `when`.
#[derive(Clone, Debug)]
pub(super) struct Test<'t> {
    pub(super) facts: Vec<(&'t str, Fact)>,
    pub(super) when: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Fact {
    /// It is one of a few constants, or of a harmless form.
    Safe,
    /// It does not contain this text, or starts with what the program chose.
    Without(Rc<str>),
}

/// Where a value from outside came from, and for which rules it has been made harmless.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taint {
    /// The kinds of its sources; none for a parameter that somebody else gives.
    pub(super) kinds: u16,
    pub(super) safe: u64,
    pub(super) step: u32,
    /// Whether something shows in it of which nothing is known.
    pub(super) opaque: bool,
}

#[derive(Clone, Debug)]
struct StepNode {
    at: Span,
    says: Rc<str>,
    before: Option<u32>,
}

impl<'t> Values<'t> {
    pub(super) fn new() -> Values<'t> {
        let kinds = [Kind::Unknown, Kind::Clean, Kind::Null, Kind::Bool(true), Kind::Bool(false)];
        let all = kinds.into_iter().map(|kind| Value { kind, taint: None, path: None }).collect();
        Values { all, steps: Vec::new() }
    }

    pub(super) fn value(&self, val: Val) -> &Value<'t> {
        self.all.get(val.0 as usize).unwrap_or(&Value { kind: Kind::Unknown, taint: None, path: None })
    }

    pub(super) fn kind(&self, val: Val) -> &Kind<'t> {
        &self.value(val).kind
    }

    pub(super) fn path(&self, val: Val) -> Option<&Rc<str>> {
        self.value(val).path.as_ref()
    }

    pub(super) fn add(&mut self, value: Value<'t>) -> Val {
        self.all.push(value);
        Val((self.all.len() - 1) as u32)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn of(&mut self, kind: Kind<'t>) -> Val {
        match kind {
            Kind::Unknown => Val::UNKNOWN,
            Kind::Clean => Val::CLEAN,
            Kind::Null => Val::NULL,
            Kind::Bool(true) => Val::TRUE,
            Kind::Bool(false) => Val::FALSE,
            kind => self.add(Value { kind, taint: None, path: None }),
        }
    }

    pub(super) fn text(&mut self, text: &str) -> Val {
        self.of(Kind::Text(text.into()))
    }

    pub(super) fn named(&mut self, path: Rc<str>) -> Val {
        self.add(Value { kind: Kind::Unknown, taint: None, path: Some(path) })
    }

    /// Something unknown that carries this taint, or nothing.
    pub(super) fn carrying(&mut self, taint: Option<Taint>) -> Val {
        match taint {
            None => Val::UNKNOWN,
            taint => self.add(Value { kind: Kind::Unknown, taint, path: None }),
        }
    }

    pub(super) fn with_path(&mut self, val: Val, path: Rc<str>) -> Val {
        let value = Value { path: Some(path), ..self.value(val).clone() };
        self.add(value)
    }

    pub(super) fn with_taint(&mut self, val: Val, taint: Option<Taint>) -> Val {
        let value = Value { taint, ..self.value(val).clone() };
        self.add(value)
    }

    /// A new taint that starts here.
    pub(super) fn source(&mut self, kind: u16, at: Span, says: Rc<str>) -> Taint {
        self.steps.push(StepNode { at, says, before: None });
        Taint { kinds: kind, safe: 0, step: (self.steps.len() - 1) as u32, opaque: false }
    }

    /// A parameter that somebody else gives: no source, and nothing that is known to be harmless either.
    pub(super) fn given(&mut self, path: Rc<str>) -> Val {
        let taint = Taint { kinds: 0, safe: u64::MAX, step: u32::MAX, opaque: true };
        self.add(Value { kind: Kind::Unknown, taint: Some(taint), path: Some(path) })
    }

    /// Whether any source has been seen.
    pub(super) fn has_sources(&self) -> bool {
        !self.steps.is_empty()
    }

    /// The first step of a taint.
    pub(super) fn root(&self, taint: Taint) -> u32 {
        let mut at = taint.step;
        while let Some(before) = self.steps.get(at as usize).and_then(|node| node.before) {
            at = before;
        }
        at
    }

    /// The taint after one more step.
    pub(super) fn step(&mut self, taint: Taint, at: Span, says: &Rc<str>) -> Taint {
        if taint.kinds == 0 {
            return taint;
        }
        let last = self.steps.get(taint.step as usize);
        if last.is_some_and(|last| last.at == at) {
            return taint;
        }
        self.steps.push(StepNode { at, says: Rc::clone(says), before: Some(taint.step) });
        Taint { step: (self.steps.len() - 1) as u32, ..taint }
    }

    /// The steps of a taint, the source first; of a long way its start and its end.
    pub(super) fn way(&self, taint: Taint) -> Vec<(Span, Rc<str>)> {
        let mut way = Vec::new();
        let mut at = Some(taint.step);
        while let Some(node) = at.and_then(|at| self.steps.get(at as usize)) {
            way.push((node.at, Rc::clone(&node.says)));
            at = node.before;
        }
        if way.len() > LONGEST_WAY {
            way.drain(LONGEST_WAY / 2..way.len() - LONGEST_WAY / 2);
        }
        way.reverse();
        way
    }

    /// The taint of a value, of what lies in it too.
    pub(super) fn taint(&self, val: Val) -> Option<Taint> {
        let value = self.value(val);
        if !matches!(value.kind, Kind::Object(_)) {
            return value.taint;
        }
        let mut found = None;
        let mut open = vec![val];
        let mut budget = WIDEST;
        while let Some(val) = open.pop().filter(|_| budget > 0) {
            budget -= 1;
            let value = self.value(val);
            found = join_taint(found, value.taint);
            if let Kind::Object(object) = &value.kind {
                open.extend(object.fields.iter().map(|(_, val)| *val));
                open.extend(object.rest);
            }
        }
        found
    }

    /// Whether a value is made of constants alone.
    pub(super) fn is_clean(&self, val: Val) -> bool {
        let value = self.value(val);
        if value.taint.is_some() || matches!(value.kind, Kind::Unknown | Kind::Function(_) | Kind::Class(_)) {
            return false;
        }
        if !matches!(value.kind, Kind::Object(_)) {
            return true;
        }
        let mut open = vec![val];
        let mut budget = WIDEST;
        while let Some(val) = open.pop() {
            let value = self.value(val);
            let clean = match &value.kind {
                Kind::Unknown | Kind::Function(_) | Kind::Class(_) => false,
                Kind::Clean | Kind::Null | Kind::Bool(_) | Kind::Int(_) | Kind::Text(_) | Kind::Test(_) => true,
                Kind::Object(object) => {
                    open.extend(object.fields.iter().map(|(_, val)| *val));
                    open.extend(object.rest);
                    true
                }
            };
            if !clean || value.taint.is_some() || budget == 0 {
                return false;
            }
            budget -= 1;
        }
        true
    }

    pub(super) fn object(&mut self, mut object: Object) -> Val {
        let inside = |val: &Val| match self.kind(*val) {
            Kind::Object(inner) => inner.depth + 1,
            _ => 0,
        };
        let depth = object.fields.iter().map(|(_, val)| inside(val)).chain(object.rest.iter().map(inside)).max();
        object.depth = depth.unwrap_or(0);
        if object.depth > DEEPEST || object.fields.len() > WIDEST {
            let all: Vec<Val> = object.fields.iter().map(|(_, val)| *val).chain(object.rest).collect();
            let clean = all.iter().all(|val| self.is_clean(*val));
            let taint = all.iter().fold(None, |taint, val| join_taint(taint, self.taint(*val)));
            let rest = if clean { Val::CLEAN } else { self.carrying(taint) };
            let flat = Object { class: object.class, rest: Some(rest), ..Object::default() };
            return self.of(Kind::Object(Rc::new(flat)));
        }
        self.of(Kind::Object(Rc::new(object)))
    }

    /// What is known where one of two ways was taken.
    pub(super) fn join(&mut self, a: Val, b: Val) -> Val {
        if a == b {
            return a;
        }
        let (left, right) = (self.value(a).clone(), self.value(b).clone());
        let taint = join_taint(left.taint, right.taint);
        let path = if left.path == right.path { left.path.clone() } else { left.path.clone().xor(right.path.clone()) };
        let kind = match (&left.kind, &right.kind) {
            (Kind::Bool(x), Kind::Bool(y)) if x == y => left.kind.clone(),
            (Kind::Int(x), Kind::Int(y)) if x == y => left.kind.clone(),
            (Kind::Text(x), Kind::Text(y)) if x == y => left.kind.clone(),
            (Kind::Object(x), Kind::Object(y)) => {
                let (x, y) = (Rc::clone(x), Rc::clone(y));
                let joined = self.join_objects(&x, &y);
                self.kind(joined).clone()
            }
            (Kind::Object(_) | Kind::Function(_) | Kind::Class(_), Kind::Null) => left.kind.clone(),
            (Kind::Null, Kind::Object(_) | Kind::Function(_) | Kind::Class(_)) => right.kind.clone(),
            (Kind::Class(x), Kind::Class(y)) if x == y => left.kind.clone(),
            (Kind::Function(x), Kind::Function(y)) if x.function == y.function => left.kind.clone(),
            _ => {
                let kind = if self.is_clean(a) && self.is_clean(b) { Kind::Clean } else { Kind::Unknown };
                let taint = join_taint(self.taint(a), self.taint(b));
                return self.add(Value { kind, taint, path });
            }
        };
        self.add(Value { kind, taint, path })
    }

    /// Field by field; objects are as deep as [`DEEPEST`] at most.
    fn join_objects(&mut self, a: &Object, b: &Object) -> Val {
        let mut joined = Object {
            class: if a.class == b.class { a.class } else { a.class.xor(b.class) },
            length: if a.length == b.length { a.length } else { None },
            ..Object::default()
        };
        for (key, val) in &a.fields {
            let other = b.fields.iter().find(|(other, _)| other == key);
            let val = other.map_or(*val, |(_, other)| self.join(*val, *other));
            joined.fields.push((Rc::clone(key), val));
        }
        for (key, val) in &b.fields {
            if a.fields.iter().all(|(other, _)| other != key) {
                joined.fields.push((Rc::clone(key), *val));
            }
        }
        joined.rest = match (a.rest, b.rest) {
            (Some(x), Some(y)) => Some(self.join(x, y)),
            (x, y) => x.or(y),
        };
        self.object(joined)
    }
}

/// What either brings, harmless only where both are.
pub(super) fn join_taint(a: Option<Taint>, b: Option<Taint>) -> Option<Taint> {
    match (a, b) {
        (Some(a), Some(b)) => {
            // The way shown is that of the one that is dangerous to more.
            let second = a.kinds == 0 || (b.kinds != 0 && b.safe.count_ones() < a.safe.count_ones());
            let step = if second { b.step } else { a.step };
            Some(Taint { kinds: a.kinds | b.kinds, safe: a.safe & b.safe, step, opaque: a.opaque || b.opaque })
        }
        (a, b) => a.or(b),
    }
}

impl Object {
    pub(super) fn field(&self, key: &str) -> Option<Val> {
        self.fields.iter().find(|(name, _)| &**name == key).map(|(_, val)| *val)
    }

    pub(super) fn set(&mut self, key: &str, val: Val) {
        match self.fields.iter_mut().find(|(name, _)| &**name == key) {
            Some((_, old)) => *old = val,
            None => self.fields.push((key.into(), val)),
        }
    }
}

const LONGEST_WAY: usize = 32;
const DEEPEST: u8 = 6;
const WIDEST: usize = 128;
