//! Calls: into functions of the same text where there is one.

use std::rc::Rc;

use super::{Finish, Frame, Machine};
use crate::Language;
use crate::flow::program::{Call, Callee, Span};
use crate::flow::state::State;
use crate::flow::value::{Closure, Kind, Object, Val};

/// What a call reaches.
enum Target<'t> {
    Function(Rc<Closure<'t>>),
    Class(usize),
    Outside,
}

impl<'p, 't> Machine<'p, 't> {
    pub(super) fn call(&mut self, call: &'p Call<'t>) {
        let arguments = self.pop_many(call.arguments.len());
        let below = matches!(call.callee, Callee::Method(_) | Callee::Value).then(|| self.pop());
        if self.is_dead() {
            return self.push(Val::UNKNOWN);
        }
        for (argument, val) in call.arguments.iter().zip(&arguments) {
            self.note(argument.at, *val);
        }
        match self.target(call, below) {
            Target::Function(closure) if self.may_enter(closure.function) => {
                self.call_function(call, &closure, &arguments);
            }
            Target::Class(class) if self.may_construct(class) => self.construct(call, class, below, arguments),
            _ => self.call_outside(call, below, &arguments),
        }
    }

    fn target(&mut self, call: &Call<'t>, below: Option<Val>) -> Target<'t> {
        let bound = |function: usize, this: Option<Val>| {
            Target::Function(Rc::new(Closure { function, captured: Rc::new(Vec::new()), this }))
        };
        match (&call.callee, below) {
            (Callee::New(name), _) => self.class_named(name).map_or(Target::Outside, Target::Class),
            (Callee::Name(name), _) => {
                if let Some(val) = self.variable(name) {
                    return self.target_of(val);
                }
                let class = self.current().and_then(|frame| self.program.functions.get(frame.function)?.class);
                let own = class.filter(|_| self.language == Language::Java).and_then(|class| self.method(class, name));
                if let Some(function) = own {
                    return bound(function, self.variable(self.own_name()));
                }
                let val = self.load(name, call.at);
                self.target_of(val)
            }
            (Callee::Value, Some(val)) => self.target_of(val),
            (Callee::Method(name), Some(val)) => {
                let class = match self.values.kind(val) {
                    Kind::Object(object) => {
                        if let Some(field) = object.field(name) {
                            return self.target_of(field);
                        }
                        object.class
                    }
                    Kind::Class(class) => Some(*class),
                    _ => self.values.path(val).and_then(|path| self.class_named(path)),
                };
                let Some(class) = class else { return Target::Outside };
                if let Some(function) = self.method(class, name) {
                    let this = match self.values.kind(val) {
                        Kind::Object(_) => val,
                        _ => self.instance(class),
                    };
                    return bound(function, Some(this));
                }
                Target::Outside
            }
            _ => Target::Outside,
        }
    }

    fn target_of(&self, val: Val) -> Target<'t> {
        match self.values.kind(val) {
            Kind::Function(closure) => Target::Function(Rc::clone(closure)),
            Kind::Class(class) => Target::Class(*class),
            _ => Target::Outside,
        }
    }

    /// An instance of which nothing else is known.
    pub(super) fn instance(&mut self, class: usize) -> Val {
        let known = self.instances.get(class).copied().flatten();
        match known.or(self.templates.get(class).copied().flatten()) {
            Some(instance) => instance,
            None => self.empty_instance(class),
        }
    }

    pub(super) fn may_enter(&self, function: usize) -> bool {
        self.frames.len() < MOST_FRAMES
            && self.steps < self.entry_end.min(self.limit / 2)
            && self.frames.iter().all(|frame| frame.function != function)
    }

    fn may_construct(&self, class: usize) -> bool {
        self.frames.len() < MOST_FRAMES
            && self.frames.iter().all(
                |frame| !matches!(frame.finish, Finish::Construct(other) | Finish::Template(other) if other == class),
            )
    }

    fn call_function(&mut self, call: &'p Call<'t>, closure: &Closure<'t>, arguments: &[Val]) {
        let plain = self.is_plain(closure, arguments);
        if let Some(result) = self.summaries.get(closure.function).copied().flatten().filter(|_| plain) {
            return self.push(result);
        }
        let state = self.parameters(closure, call, arguments);
        self.push_frame(closure.function, state, Rc::clone(&closure.captured), Finish::Call(call));
        if let Some(frame) = self.frames.last_mut() {
            frame.plain = plain;
        }
    }

    /// Whether nothing from outside goes into a call, and no constants that would make a difference.
    fn is_plain(&self, closure: &Closure<'t>, arguments: &[Val]) -> bool {
        let outside = |val: &Val| self.values.taint(*val).is_some_and(|taint| taint.kinds != 0);
        let constant = !arguments.is_empty() && arguments.iter().all(|val| self.values.is_clean(*val));
        let is_function = |val: &Val| matches!(self.values.kind(*val), Kind::Function(_));
        !constant
            && closure.captured.is_empty()
            && !arguments.iter().any(|val| outside(val) || is_function(val))
            && !closure.this.as_ref().is_some_and(outside)
    }

    pub(super) fn push_frame(
        &mut self,
        function: usize,
        state: State<'t>,
        captured: Rc<Vec<(&'t str, Val)>>,
        finish: Finish<'p, 't>,
    ) {
        if let Some(ran) = self.ran.get_mut(function) {
            *ran = true;
        }
        self.frames.push(Frame {
            function,
            at: 0,
            state,
            control: Vec::new(),
            captured,
            result: None,
            ended: None,
            finish,
            handler: false,
            plain: false,
        });
    }

    /// The names of a function as a call gives them values.
    fn parameters(&mut self, closure: &Closure<'t>, call: &Call<'t>, arguments: &[Val]) -> State<'t> {
        let mut state = State::default();
        let program = self.program;
        let Some(function) = program.functions.get(closure.function) else { return state };
        let mut parameters = function.parameters.iter();
        if function.has_self
            && let Some(own) = parameters.next()
        {
            let this = match (closure.this, function.class) {
                (Some(this), _) => this,
                (None, Some(class)) => self.instance(class),
                (None, None) => Val::UNKNOWN,
            };
            state.set(own.name, this);
        }
        let spread = call.arguments.iter().any(|argument| argument.spread);
        let everything = if spread { Some(self.mix(arguments)) } else { None };
        let mut positions = call.arguments.iter().zip(arguments).filter(|(argument, _)| argument.name.is_none());
        for parameter in parameters {
            let named =
                call.arguments.iter().zip(arguments).find(|(argument, _)| argument.name == Some(parameter.name));
            let val = if let Some(everything) = everything {
                everything
            } else if parameter.rest {
                let rest: Vec<Val> = positions.by_ref().map(|(_, val)| *val).collect();
                self.list(rest)
            } else if let Some((_, val)) = named {
                *val
            } else {
                positions.next().map_or(Val::UNKNOWN, |(_, val)| *val)
            };
            let val = self.handed_over(val, parameter.name, call.at);
            state.set(parameter.name, val);
        }
        state
    }

    fn handed_over(&mut self, val: Val, name: &str, at: Span) -> Val {
        let Some(taint) = self.values.value(val).taint else { return val };
        let says: Rc<str> = format!("it is handed over as `{name}`").into();
        let taint = self.values.step(taint, at, &says);
        self.values.with_taint(val, Some(taint))
    }

    pub(super) fn list(&mut self, values: Vec<Val>) -> Val {
        let length = Some(values.len());
        let fields = values.into_iter().enumerate().map(|(index, val)| (index.to_string().into(), val)).collect();
        self.values.object(Object { fields, length, ..Object::default() })
    }

    fn construct(&mut self, call: &'p Call<'t>, class: usize, below: Option<Val>, arguments: Vec<Val>) {
        let program = self.program;
        let start = program.classes.get(class).and_then(|class| class.start);
        let template = self.templates.get(class).copied().flatten();
        if let (None, Some(start)) = (template, start) {
            let empty = self.empty_instance(class);
            if let Some(slot) = self.templates.get_mut(class) {
                *slot = Some(empty);
            }
            // The fields get their first values; then the call is run again.
            if let Some(below) = below {
                self.push(below);
            }
            for argument in arguments {
                self.push(argument);
            }
            if let Some(frame) = self.frames.last_mut() {
                frame.at = frame.at.saturating_sub(1);
            }
            self.start_template(class, start, empty);
            return;
        }
        let this = match template {
            Some(template) => template,
            None => self.empty_instance(class),
        };
        let constructor = ["constructor", "__init__"].iter().find_map(|name| self.method(class, name));
        let Some(function) = constructor.filter(|function| self.may_enter(*function)) else {
            // What a class that we cannot construct was given may be anywhere in it.
            let taint = self.taint_of_all(&arguments);
            let carrying = self.values.carrying(taint);
            let val = if taint.is_some() {
                self.values.object(Object { class: Some(class), rest: Some(carrying), ..Object::default() })
            } else {
                this
            };
            return self.push(val);
        };
        let closure = Closure { function, captured: Rc::new(Vec::new()), this: Some(this) };
        let state = self.parameters(&closure, call, &arguments);
        self.push_frame(function, state, closure.captured, Finish::Construct(class));
    }

    pub(super) fn start_template(&mut self, class: usize, start: usize, empty: Val) {
        let mut state = State::default();
        state.set(self.own_name(), empty);
        self.push_frame(start, state, Rc::new(Vec::new()), Finish::Template(class));
    }
}

/// Calls inside one another that are followed.
const MOST_FRAMES: usize = 16;
