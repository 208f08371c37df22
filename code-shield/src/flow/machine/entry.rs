//! Functions that are run because something outside calls them.

use std::rc::Rc;

use super::{Finish, Machine};
use crate::Language;
use crate::flow::program::Parameter;
use crate::flow::state::State;
use crate::flow::value::Val;

impl<'t> Machine<'_, 't> {
    /// Whether a function's marks say that requests come to it.
    pub(super) fn is_handler(&self, function: usize) -> bool {
        let marks = self.program.functions.get(function).map_or(&[][..], |function| &function.marks);
        marks.iter().any(|mark| self.spec.handlers.iter().any(|glob| glob.matches(mark)))
            || self.program.functions.get(function).is_some_and(|f| f.parameters.iter().any(|p| self.is_outside(p)))
    }

    fn is_outside(&self, parameter: &Parameter<'t>) -> bool {
        self.spec.parameters.iter().any(|glob| glob.matches(parameter.whole))
    }

    /// Starts a function with parameters of which only their types are known.
    pub(super) fn enter(&mut self, function: usize) {
        let program = self.program;
        let Some(body) = program.functions.get(function) else { return };
        let handles = body.marks.iter().any(|mark| self.spec.handlers.iter().any(|glob| glob.matches(mark)));
        let mut state = State::default();
        let closure = self.closures.get(function).cloned().flatten();
        let captured = closure.map_or_else(|| Rc::new(Vec::new()), |closure| Rc::clone(&closure.captured));
        let mut own = None;
        for (index, parameter) in body.parameters.iter().enumerate() {
            let val = match (body.has_self && index == 0, body.class) {
                (true, Some(class)) => {
                    own = Some(class);
                    self.instance(class)
                }
                _ => self.outside_parameter(parameter, handles, &body.marks),
            };
            state.set(parameter.name, val);
        }
        self.push_frame(function, state, captured, Finish::Entry);
        if let Some(frame) = self.frames.last_mut() {
            frame.handler = handles;
        }
        // The fields of the instance get their first values before.
        let Some(class) = own else { return };
        let start = program.classes.get(class).and_then(|class| class.start).filter(|start| *start != function);
        if let (Some(start), Some(None)) = (start, self.templates.get(class).copied()) {
            self.frames.pop();
            let empty = self.empty_instance(class);
            if let Some(slot) = self.templates.get_mut(class) {
                *slot = Some(empty);
            }
            self.start_template(class, start, empty);
            self.finish_entry();
            self.enter_again(function);
        }
    }

    /// As `enter`, once the class has its template.
    fn enter_again(&mut self, function: usize) {
        let program = self.program;
        let Some(body) = program.functions.get(function) else { return };
        let handles = body.marks.iter().any(|mark| self.spec.handlers.iter().any(|glob| glob.matches(mark)));
        let mut state = State::default();
        for (index, parameter) in body.parameters.iter().enumerate() {
            let val = match (body.has_self && index == 0, body.class) {
                (true, Some(class)) => self.instance(class),
                _ => self.outside_parameter(parameter, handles, &body.marks),
            };
            state.set(parameter.name, val);
        }
        self.push_frame(function, state, Rc::new(Vec::new()), Finish::Entry);
        if let Some(frame) = self.frames.last_mut() {
            frame.handler = handles;
        }
    }

    fn outside_parameter(&mut self, parameter: &Parameter<'t>, handles: bool, marks: &[&str]) -> Val {
        let kind = parameter.kind.unwrap_or_default();
        let kind = kind.trim_start_matches(['*', '&', '?']).split('<').next().unwrap_or(kind).trim();
        let number = |mark: &&str| {
            ["int", "float", "uuid"].iter().any(|kind| mark.contains(&format!("<{kind}:{}>", parameter.name)))
        };
        let is_number = NUMBERS.contains(&kind) || marks.iter().any(number);
        let given = parameter.whole.contains("Depends(") || SERVICES.contains(&kind);
        if self.is_outside(parameter) || (handles && !given && parameter.name != "self") {
            if is_number {
                return Val::CLEAN;
            }
            let bit = self.spec.kinds.iter().position(|kind| kind == "request").map_or(1, |at| 1 << at);
            let says = format!("`{}` comes from outside", parameter.name);
            let taint = self.values.source(bit, parameter.at, says.into());
            let val = self.values.carrying(Some(taint));
            return self.values.with_path(val, parameter.name.into());
        }
        let typed = matches!(self.language, Language::Java | Language::Go) && !kind.is_empty();
        if typed && NUMBERS.contains(&kind) {
            return Val::CLEAN;
        }
        self.values.given(if typed { kind.into() } else { parameter.name.into() })
    }
}

const NUMBERS: [&str; 18] = [
    "int",
    "float",
    "bool",
    "long",
    "double",
    "short",
    "byte",
    "boolean",
    "Integer",
    "Long",
    "Double",
    "Boolean",
    "UUID",
    "LocalDate",
    "int64",
    "number",
    "uint",
    "date",
];

/// What a framework gives a handler besides the request's values.
const SERVICES: [&str; 12] = [
    "Request",
    "Response",
    "BackgroundTasks",
    "Session",
    "AsyncSession",
    "Model",
    "HttpServletRequest",
    "HttpServletResponse",
    "HttpSession",
    "Principal",
    "WebSocket",
    "RedirectAttributes",
];
