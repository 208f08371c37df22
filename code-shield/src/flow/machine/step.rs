//! One operation.

use std::rc::Rc;

use super::Machine;
use crate::flow::program::{Op, Span};
use crate::flow::state::{Control, State, join_into, truth};
use crate::flow::value::{Closure, Fact, Kind, Object, Test, Val, Value};

impl<'p, 't> Machine<'p, 't> {
    pub(super) fn step(&mut self, op: &'p Op<'t>) {
        match op {
            Op::Text(_) | Op::Int(_) | Op::Bool(_) | Op::Null | Op::Clean | Op::Unknown => self.constant(op),
            Op::Load(name, at) => {
                let val = self.load(name, *at);
                self.push(val);
            }
            Op::Member(name, at) => {
                let object = self.pop();
                let val = self.member(object, name, *at);
                self.push(val);
            }
            Op::Index(at) => {
                let key = self.pop();
                let object = self.pop();
                let val = self.index(object, key, *at);
                self.push(val);
            }
            Op::Store(place, at, kind) => {
                let val = self.pop();
                if !self.is_dead() {
                    self.assign(place, val, *at, *kind);
                }
            }
            Op::Forget(name) => {
                if let Some(frame) = self.frames.last_mut() {
                    frame.state.set(name, Val::UNKNOWN);
                }
            }
            Op::Drop => {
                self.pop();
            }
            Op::Double => {
                let val = self.pop();
                self.push(val);
                self.push(val);
            }
            Op::Part(index) => self.part(*index),
            Op::Binary(operator, names) => {
                let right = self.pop();
                let left = self.pop();
                let val = self.binary(*operator, left, right, *names);
                self.push(val);
            }
            Op::Not => self.not(),
            Op::Negate => {
                let val = self.pop();
                let negated = match self.values.kind(val) {
                    Kind::Int(number) => Kind::Int(number.wrapping_neg()),
                    _ => Kind::Clean,
                };
                let val = self.values.of(negated);
                self.push(val);
            }
            Op::Build(count) => {
                let parts = self.pop_many(*count);
                let val = self.build(&parts);
                self.push(val);
            }
            Op::Mix(count) => {
                let parts = self.pop_many(*count);
                let val = self.mix(&parts);
                self.push(val);
            }
            Op::List(count) => {
                let parts = self.pop_many(*count);
                let fields = parts.into_iter().enumerate().map(|(index, val)| (index.to_string().into(), val));
                let list = Object { fields: fields.collect(), length: Some(*count), ..Object::default() };
                let val = self.values.object(list);
                self.push(val);
            }
            Op::Map(count) => self.map(*count),
            Op::Instance(name) => self.as_instance(name),
            Op::Call(call) => self.call(call),
            Op::Closure(function) => self.closure(*function),
            Op::Element => {
                let val = self.pop();
                let element = self.any_element(val);
                self.push(element);
            }
            Op::Note(at) => {
                let val = self.pop();
                self.note(*at, val);
                self.push(val);
            }
            Op::Return(at) => self.give_back(*at),
            Op::Raise => self.raise(),
            Op::Branch(_) | Op::Else(_) | Op::EndIf | Op::Loop | Op::EndLoop(_) | Op::Break | Op::Continue => {
                self.control(op);
            }
            Op::Switch | Op::Case(_) | Op::Default | Op::EndSwitch | Op::Try | Op::Catch | Op::EndTry => {
                self.cases(op);
            }
        }
    }

    fn constant(&mut self, op: &'p Op<'t>) {
        match op {
            Op::Text(text) => {
                let val = self.values.of(Kind::Text(Rc::clone(text)));
                self.push(val);
            }
            Op::Int(number) => {
                let val = self.values.of(Kind::Int(*number));
                self.push(val);
            }
            Op::Bool(truth) => self.push(if *truth { Val::TRUE } else { Val::FALSE }),
            Op::Null => self.push(Val::NULL),
            Op::Clean => self.push(Val::CLEAN),
            Op::Unknown => self.push(Val::UNKNOWN),
            _ => {}
        }
    }

    fn as_instance(&mut self, name: &str) {
        let val = self.pop();
        let instance = match (self.class_named(name), self.values.kind(val)) {
            (Some(class), Kind::Object(object)) => {
                let instance = Object { class: Some(class), ..(**object).clone() };
                self.values.object(instance)
            }
            _ => val,
        };
        self.push(instance);
    }

    fn part(&mut self, index: usize) {
        let val = self.pop();
        let part = match self.values.kind(val) {
            Kind::Object(object) if object.length.is_some() => object.field(&index.to_string()),
            _ => None,
        };
        // A value and an error: the error shows nothing.
        let is_error = self.language == crate::Language::Go && index > 0;
        let part = part.unwrap_or(if is_error { Val::UNKNOWN } else { self.any_element(val) });
        self.push(part);
    }

    fn map(&mut self, count: usize) {
        let parts = self.pop_many(count * 2);
        let mut object = Object::default();
        for pair in parts.chunks_exact(2) {
            let [key, val] = pair else { continue };
            match self.key_of(*key) {
                Some(key) => object.set(&key, *val),
                None => {
                    object.rest = Some(match object.rest {
                        Some(rest) => self.values.join(rest, *val),
                        None => *val,
                    });
                }
            }
        }
        let val = self.values.object(object);
        self.push(val);
    }

    fn closure(&mut self, function: usize) {
        let Some(frame) = self.frames.last() else { return };
        let mut captured: Vec<_> =
            frame.captured.iter().copied().filter(|(name, _)| frame.state.get(name).is_none()).collect();
        if frame.function != 0 {
            captured.extend(frame.state.vars.iter().copied());
        }
        let closure = Rc::new(Closure { function, captured: Rc::new(captured), this: None });
        if let Some(slot) = self.closures.get_mut(function) {
            *slot = Some(Rc::clone(&closure));
        }
        let val = self.values.of(Kind::Function(closure));
        self.push(val);
    }

    fn not(&mut self) {
        let val = self.pop();
        let kind = match (truth(&self.values, val), self.values.kind(val)) {
            (Some(truth), _) => Kind::Bool(!truth),
            (None, Kind::Test(test)) => Kind::Test(Rc::new(Test { facts: test.facts.clone(), when: !test.when })),
            (None, _) => Kind::Clean,
        };
        let val = self.values.of(kind);
        self.push(val);
    }

    fn give_back(&mut self, at: Span) {
        let val = self.pop();
        if self.is_dead() {
            return;
        }
        if self.current().is_some_and(|frame| frame.handler) {
            self.returned_to_client(val, at);
        }
        let Some(frame) = self.frames.last_mut() else { return };
        let state = frame.state.clone();
        frame.state.dead = true;
        frame.result = Some(match frame.result {
            Some(before) => self.values.join(before, val),
            None => val,
        });
        join_into(&mut frame.ended, state, &mut self.values);
    }

    fn raise(&mut self) {
        let Some(frame) = self.frames.last_mut() else { return };
        if frame.state.dead {
            return;
        }
        let state = frame.state.clone();
        frame.state.dead = true;
        let open = frame.control.iter_mut().rev().find_map(|control| match control {
            Control::Try { thrown, done, .. } if done.is_none() => Some(thrown),
            _ => None,
        });
        if let Some(thrown) = open {
            join_into(thrown, state, &mut self.values);
        }
    }

    fn control(&mut self, op: &'p Op<'t>) {
        match op {
            Op::Branch(label) => self.branch(*label),
            Op::Else(label) => {
                let Some(frame) = self.frames.last_mut() else { return };
                let Some(Control::If { other, done }) = frame.control.last_mut() else { return };
                match other.take() {
                    Some(other) => *done = Some(std::mem::replace(&mut frame.state, other)),
                    None => self.jump(*label),
                }
            }
            Op::EndIf => {
                let Some(frame) = self.frames.last_mut() else { return };
                if !matches!(frame.control.last(), Some(Control::If { .. })) {
                    return;
                }
                if let Some(Control::If { done: Some(done), .. }) = frame.control.pop() {
                    let state = std::mem::take(&mut frame.state);
                    frame.state = State::join(done, state, &mut self.values);
                }
            }
            Op::Loop => {
                if let Some(frame) = self.frames.last_mut() {
                    let before = frame.state.clone();
                    frame.control.push(Control::Loop { before, again: None, after: None, round: 0 });
                }
            }
            Op::EndLoop(start) => self.end_loop(*start),
            Op::Break => self.leave_loop(|control| match control {
                Control::Loop { after, .. } | Control::Switch { after, .. } => Some(after),
                _ => None,
            }),
            Op::Continue => self.leave_loop(|control| match control {
                Control::Loop { again, .. } => Some(again),
                _ => None,
            }),
            _ => {}
        }
    }

    fn branch(&mut self, label: usize) {
        let condition = self.pop();
        let known = truth(&self.values, condition);
        let Some(frame) = self.frames.last_mut() else { return };
        if frame.state.dead {
            frame.control.push(Control::If { other: Some(frame.state.clone()), done: None });
            return;
        }
        match known {
            Some(true) => frame.control.push(Control::If { other: None, done: None }),
            Some(false) => {
                frame.control.push(Control::If { other: None, done: None });
                self.jump(label);
            }
            None => {
                let mut yes = frame.state.clone();
                let mut no = frame.state.clone();
                if let Kind::Test(test) = self.values.kind(condition).clone() {
                    self.refine(if test.when { &mut yes } else { &mut no }, &test.facts);
                }
                if let Some(frame) = self.frames.last_mut() {
                    frame.state = yes;
                    frame.control.push(Control::If { other: Some(no), done: None });
                }
            }
        }
    }

    /// What a condition has made sure of.
    fn refine(&mut self, state: &mut State<'t>, facts: &[(&'t str, Fact)]) {
        for (name, fact) in facts {
            let Some(val) = state.get(name) else { continue };
            let refined = match fact {
                // What was parsed from a value stands for it: that one is checked too.
                Fact::Safe
                    if self.values.path(val).is_some_and(|path| path.contains("urlparse") || &**path == "URL") =>
                {
                    self.refine_kin(state, val);
                    continue;
                }
                Fact::Safe => Val::CLEAN,
                Fact::Without(text) => self.without(val, text),
            };
            state.set(name, refined);
        }
    }

    /// All that came from the same source has a known host.
    fn refine_kin(&mut self, state: &mut State<'t>, val: Val) {
        let Some(root) = self.values.value(val).taint.map(|taint| self.values.root(taint)) else { return };
        for at in 0..state.vars.len() {
            let Some((name, val)) = state.vars.get(at).copied() else { continue };
            if self.values.value(val).taint.is_some_and(|taint| self.values.root(taint) == root) {
                let checked = self.without(val, "host");
                state.set(name, checked);
            }
        }
    }

    /// The value once it cannot contain this text.
    pub(super) fn without(&mut self, val: Val, text: &str) -> Val {
        let Some(mut taint) = self.values.value(val).taint else { return val };
        for (index, rule) in self.spec.rules.iter().enumerate() {
            if rule.harmless_without.iter().any(|token| token == text) {
                taint.safe |= 1 << index;
            }
        }
        self.values.with_taint(val, Some(taint))
    }

    fn end_loop(&mut self, start: usize) {
        let Some(frame) = self.frames.last_mut() else { return };
        let Some(Control::Loop { before, again, after, round }) = frame.control.pop() else { return };
        let mut state = std::mem::take(&mut frame.state);
        if let Some(again) = again {
            state = State::join(state, again, &mut self.values);
        }
        // The loop may not have run at all.
        state = State::join(before.clone(), state, &mut self.values);
        let Some(frame) = self.frames.last_mut() else { return };
        let open = frame.control.iter().filter(|control| matches!(control, Control::Loop { .. })).count();
        if round == 0 && !before.dead && open < LOOPS_RUN_TWICE {
            frame.state = state;
            frame.control.push(Control::Loop { before, again: None, after, round: 1 });
            self.jump(start);
            return;
        }
        frame.state = match after {
            Some(after) => State::join(after, state, &mut self.values),
            None => state,
        };
    }

    fn leave_loop(&mut self, find: for<'a> fn(&'a mut Control<'t>) -> Option<&'a mut Option<State<'t>>>) {
        let Some(frame) = self.frames.last_mut() else { return };
        if frame.state.dead {
            return;
        }
        let state = frame.state.clone();
        frame.state.dead = true;
        if let Some(slot) = frame.control.iter_mut().rev().find_map(find) {
            join_into(slot, state, &mut self.values);
        }
    }

    fn cases(&mut self, op: &'p Op<'t>) {
        match op {
            Op::Switch => {
                let subject = self.pop();
                let Some(frame) = self.frames.last_mut() else { return };
                frame.control.push(Control::Switch { subject, open: frame.state.clone(), after: None });
                frame.state.dead = true;
            }
            Op::Case(count) => {
                let labels = self.pop_many(*count);
                let subject = match self.current().and_then(|frame| frame.control.last()) {
                    Some(Control::Switch { subject, .. }) => *subject,
                    _ => return,
                };
                let answers: Vec<_> = labels.iter().map(|label| self.equal(subject, *label)).collect();
                let hit = answers.contains(&Some(true));
                let possible = hit || answers.contains(&None);
                let Some(frame) = self.frames.last_mut() else { return };
                let Some(Control::Switch { open, .. }) = frame.control.last_mut() else { return };
                if possible {
                    let taken = open.clone();
                    open.dead |= hit;
                    let state = std::mem::take(&mut frame.state);
                    frame.state = State::join(state, taken, &mut self.values);
                }
            }
            Op::Default => {
                let Some(frame) = self.frames.last_mut() else { return };
                let Some(Control::Switch { open, .. }) = frame.control.last_mut() else { return };
                let taken = open.clone();
                open.dead = true;
                let state = std::mem::take(&mut frame.state);
                frame.state = State::join(state, taken, &mut self.values);
            }
            Op::EndSwitch => {
                let Some(frame) = self.frames.last_mut() else { return };
                let Some(Control::Switch { open, after, .. }) = frame.control.pop() else { return };
                let state = std::mem::take(&mut frame.state);
                let mut state = State::join(state, open, &mut self.values);
                if let Some(after) = after {
                    state = State::join(state, after, &mut self.values);
                }
                frame.state = state;
            }
            _ => self.attempts(op),
        }
    }

    fn attempts(&mut self, op: &'p Op<'t>) {
        let Some(frame) = self.frames.last_mut() else { return };
        match op {
            Op::Try => {
                frame.control.push(Control::Try { before: frame.state.clone(), thrown: None, done: None });
            }
            Op::Catch => {
                let state = std::mem::take(&mut frame.state);
                let Some(Control::Try { before, thrown, done }) = frame.control.last_mut() else { return };
                let first = done.is_none();
                if first {
                    let mut start = State::join(before.clone(), state.clone(), &mut self.values);
                    if let Some(raised) = thrown.take() {
                        start = State::join(start, raised, &mut self.values);
                    }
                    *thrown = Some(start);
                }
                join_into(done, state, &mut self.values);
                frame.state = thrown.clone().unwrap_or_default();
            }
            Op::EndTry => {
                let Some(Control::Try { done, .. }) = frame.control.pop() else { return };
                if let Some(done) = done {
                    let state = std::mem::take(&mut frame.state);
                    frame.state = State::join(done, state, &mut self.values);
                }
            }
            _ => {}
        }
    }

    /// A value in which these show.
    pub(super) fn mix(&mut self, parts: &[Val]) -> Val {
        let taint = self.taint_of_all(parts);
        if taint.is_none() && !parts.is_empty() && parts.iter().all(|part| self.values.is_clean(*part)) {
            return Val::CLEAN;
        }
        self.values.carrying(taint)
    }

    pub(super) fn build(&mut self, parts: &[Val]) -> Val {
        let mut text = String::new();
        for part in parts {
            match self.values.value(*part) {
                Value { kind: Kind::Text(part), taint: None, .. } if text.len() < LONGEST_TEXT => text.push_str(part),
                Value { kind: Kind::Int(number), taint: None, .. } => text.push_str(&number.to_string()),
                _ => return self.mix(parts),
            }
        }
        self.values.text(&text)
    }
}

/// Of loops inside one another, the inner ones are run once.
const LOOPS_RUN_TWICE: usize = 3;

/// Constants longer than this are known to be constant, not what they say.
pub(super) const LONGEST_TEXT: usize = 4096;
