//! Runs a program on values of which only the origin is known.
//!
//! Both ways of a condition that is not known are taken and joined; a loop is run twice; a call of a function of the
//! same text is run with what it is given, unless it is running already. Nothing here calls itself: calls, branches and
//! loops lie on stacks of our own. After [`Machine::limit`] operations it stops.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use super::form::Spec;
use super::program::{Call, Place, Program, Span};
use super::state::{Control, State};
use super::value::{Closure, Kind, Object, Taint, Val, Values};
use crate::Language;
use crate::names::Names;

mod call;
mod collection;
mod entry;
mod external;
mod fold;
mod member;
mod sink;
mod step;

pub(super) struct Machine<'p, 't> {
    program: &'p Program<'t>,
    spec: &'p Spec,
    names: &'p Names<'t>,
    language: Language,
    values: Values<'t>,
    frames: Vec<Frame<'p, 't>>,
    /// The names of the text itself, once it has run.
    globals: Vec<(&'t str, Val)>,
    /// For every class, an instance before its constructor.
    templates: Vec<Option<Val>>,
    /// For every class, an instance after its constructor.
    instances: Vec<Option<Val>>,
    ran: Vec<bool>,
    /// For every function, what it gave when nothing from outside went in.
    summaries: Vec<Option<Val>>,
    /// Functions that were values, with the names around them.
    closures: Vec<Option<Rc<Closure<'t>>>>,
    hits: Vec<Hit>,
    notes: HashMap<Span, u64>,
    steps: usize,
    limit: usize,
    entry_end: usize,
    deadline: Instant,
    exhausted: bool,
}

/// A value from outside that reached a sink.
pub(super) struct Hit {
    /// The place of the rule in [`Spec::rules`].
    pub(super) rule: usize,
    pub(super) at: Span,
    pub(super) way: Vec<(Span, Rc<str>)>,
}

/// What a run saw.
pub(super) struct Seen {
    pub(super) hits: Vec<Hit>,
    /// Of expressions that are arguments or are assigned: the rules for which they were harmless each time.
    pub(super) notes: HashMap<Span, u64>,
    /// Whether anything came from outside.
    pub(super) has_sources: bool,
    pub(super) exhausted: bool,
}

/// A function that is running.
struct Frame<'p, 't> {
    function: usize,
    at: usize,
    state: State<'t>,
    control: Vec<Control<'t>>,
    captured: Rc<Vec<(&'t str, Val)>>,
    result: Option<Val>,
    ended: Option<State<'t>>,
    finish: Finish<'p, 't>,
    handler: bool,
    /// Whether its result is that of any call into which nothing from outside goes.
    plain: bool,
}

/// What happens when a function ends.
enum Finish<'p, 't> {
    Entry,
    /// Its result is the value of the call, and what it did to its arguments shows.
    Call(&'p Call<'t>),
    /// The instance is the value.
    Construct(usize),
    /// The instance is kept for the class.
    Template(usize),
    /// The result shows in what the call before gave.
    Callback,
}

impl<'p, 't> Machine<'p, 't> {
    pub(super) fn new(
        program: &'p Program<'t>,
        spec: &'p Spec,
        names: &'p Names<'t>,
        language: Language,
        deadline: Instant,
    ) -> Machine<'p, 't> {
        let operations: usize = program.functions.iter().map(|function| function.code.len()).sum();
        Machine {
            program,
            spec,
            names,
            language,
            values: Values::new(),
            frames: Vec::new(),
            globals: Vec::new(),
            templates: vec![None; program.classes.len()],
            instances: vec![None; program.classes.len()],
            ran: vec![false; program.functions.len()],
            summaries: vec![None; program.functions.len()],
            closures: vec![None; program.functions.len()],
            hits: Vec::new(),
            notes: HashMap::new(),
            steps: 0,
            limit: FIXED_STEPS + operations * STEPS_PER_OPERATION,
            entry_end: 0,
            deadline,
            exhausted: false,
        }
    }

    /// Runs the text, then every function that nothing called.
    pub(super) fn run(mut self) -> Seen {
        self.enter(0);
        self.finish_entry();
        for round in 0..2 {
            for function in 1..self.program.functions.len() {
                let called = self.program.functions.get(function).is_some_and(|f| self.program.called.contains(f.name));
                let wanted = round == 1 || !called || self.is_handler(function);
                if wanted && self.ran.get(function) == Some(&false) && !self.exhausted {
                    self.enter(function);
                    self.finish_entry();
                }
            }
        }
        let has_sources = self.values.has_sources();
        Seen { hits: self.hits, notes: self.notes, has_sources, exhausted: self.exhausted }
    }

    /// Runs until no function is left.
    fn finish_entry(&mut self) {
        self.entry_end = self.steps + ENTRY_STEPS;
        while let Some(frame) = self.frames.last_mut() {
            self.steps += 1;
            if self.steps > self.limit
                || self.values.len() > MOST_VALUES
                || (self.steps.is_multiple_of(256) && Instant::now() > self.deadline)
            {
                self.exhausted = true;
                self.frames.clear();
                return;
            }
            let program = self.program;
            let function = program.functions.get(frame.function);
            let op = function.and_then(|function| function.code.get(frame.at));
            frame.at += 1;
            match op {
                Some(op) => self.step(op),
                None => self.leave(),
            }
        }
    }

    fn push(&mut self, val: Val) {
        if let Some(frame) = self.frames.last_mut() {
            frame.state.stack.push(val);
        }
    }

    fn pop(&mut self) -> Val {
        self.frames.last_mut().and_then(|frame| frame.state.stack.pop()).unwrap_or(Val::UNKNOWN)
    }

    /// The last values, in the order they were pushed.
    fn pop_many(&mut self, count: usize) -> Vec<Val> {
        let mut values: Vec<Val> = (0..count).map(|_| self.pop()).collect();
        values.reverse();
        values
    }

    fn is_dead(&self) -> bool {
        self.frames.last().is_none_or(|frame| frame.state.dead)
    }

    fn jump(&mut self, label: usize) {
        let program = self.program;
        if let Some(frame) = self.frames.last_mut() {
            let labels = program.functions.get(frame.function).map_or(&[][..], |function| &function.labels);
            frame.at = labels.get(label).copied().unwrap_or(usize::MAX);
        }
    }

    /// A function has come to its end: what it gives, and what it changed.
    fn leave(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        let state = match frame.ended {
            Some(ended) => State::join(ended, frame.state, &mut self.values),
            None => frame.state,
        };
        let result = frame.result.unwrap_or(Val::NULL);
        let own = self.program.functions.get(frame.function).and_then(|f| f.parameters.first()).map(|first| first.name);
        match frame.finish {
            Finish::Entry => {
                if frame.function == 0 {
                    self.globals = state.vars;
                }
            }
            Finish::Template(class) => {
                let instance = own.and_then(|own| state.get(own)).unwrap_or(Val::UNKNOWN);
                if let Some(slot) = self.templates.get_mut(class) {
                    *slot = Some(instance);
                }
            }
            Finish::Construct(class) => {
                let instance = own.and_then(|own| state.get(own)).unwrap_or(Val::UNKNOWN);
                if let Some(slot) = self.instances.get_mut(class).filter(|slot| slot.is_none()) {
                    *slot = Some(instance);
                }
                self.push(instance);
            }
            Finish::Call(call) => {
                if let Some(summary) = self.summaries.get_mut(frame.function).filter(|_| frame.plain) {
                    *summary = Some(result);
                }
                self.write_back(call, frame.function, &state, &frame.captured);
                self.push(result);
            }
            Finish::Callback => {
                self.outer_names(frame.function, &state, &frame.captured);
                let before = self.pop();
                let taint = self.values.taint(result);
                let after = match taint {
                    Some(_) => self.values.join(before, result),
                    None => before,
                };
                self.push(after);
            }
        }
    }

    /// What a function did to its instance and its arguments shows where they came from.
    fn write_back(&mut self, call: &'p Call<'t>, function: usize, state: &State<'t>, captured: &[(&'t str, Val)]) {
        self.outer_names(function, state, captured);
        let program = self.program;
        let Some(function) = program.functions.get(function) else { return };
        let mut parameters = function.parameters.iter();
        if function.has_self {
            let own = parameters.next().and_then(|own| state.get(own.name));
            let implied = Place { base: self.own_name(), way: Vec::new() };
            let place = call.receiver.as_ref().unwrap_or(&implied);
            if let Some(own) = own.filter(|own| matches!(self.values.kind(*own), Kind::Object(_))) {
                self.store_place(place, own);
            }
        }
        for (parameter, argument) in parameters.zip(&call.arguments) {
            let changed = state.get(parameter.name).filter(|val| self.is_changeable(*val));
            if let (Some(place), Some(val)) = (&argument.place, changed) {
                self.store_place(place, val);
            }
        }
    }

    fn is_changeable(&self, val: Val) -> bool {
        matches!(self.values.kind(val), Kind::Object(_)) || self.values.path(val).is_some_and(|path| is_builder(path))
    }

    /// Names of the function around that an inner one has given new values.
    fn outer_names(&mut self, function: usize, state: &State<'t>, captured: &[(&'t str, Val)]) {
        if self.language == Language::Python || captured.is_empty() {
            return;
        }
        let parameters = self.program.functions.get(function).map_or(&[][..], |function| &function.parameters);
        for (name, val) in &state.vars {
            let outer = captured.iter().find(|(outer, _)| outer == name);
            if outer.is_none_or(|(_, before)| before == val) || parameters.iter().any(|own| own.name == *name) {
                continue;
            }
            if let Some(frame) = self.frames.last_mut()
                && let Some(old) = frame.state.get(name)
            {
                let joined = self.values.join(old, *val);
                frame.state.set(name, joined);
            }
        }
    }

    fn own_name(&self) -> &'static str {
        if self.language == Language::Python { "self" } else { "this" }
    }

    fn empty_instance(&mut self, class: usize) -> Val {
        self.values.object(Object { class: Some(class), ..Object::default() })
    }

    fn taint_of_all(&self, values: &[Val]) -> Option<Taint> {
        values.iter().fold(None, |taint, val| super::value::join_taint(taint, self.values.taint(*val)))
    }

    fn current(&self) -> Option<&Frame<'p, 't>> {
        self.frames.last()
    }

    fn note(&mut self, at: Span, val: Val) {
        if !self.is_dead() {
            let harmless = match self.values.taint(val) {
                _ if self.values.is_clean(val) => u64::MAX,
                Some(taint) if taint.opaque => 0,
                Some(taint) => taint.safe,
                None => OWN,
            };
            self.notes.entry(at).and_modify(|before| *before &= harmless).or_insert(harmless);
        }
    }
}

/// The mark of a value that is not constant, and not from outside either as far as is known.
pub(super) const OWN: u64 = 1 << 63;

/// A length as a number of the program.
fn whole(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// Whether a path is that of text that grows in place.
fn is_builder(path: &str) -> bool {
    path.contains("StringBu")
        || path.ends_with("StringWriter")
        || path.ends_with("StringIO")
        || path.ends_with("strings.Builder")
        || path.ends_with("bytes.Buffer")
}

const FIXED_STEPS: usize = 100_000;
const STEPS_PER_OPERATION: usize = 60;

/// After so many operations of one entry, and after half of all, calls are no longer followed into functions.
const ENTRY_STEPS: usize = 8_000;
const MOST_VALUES: usize = 2_000_000;
