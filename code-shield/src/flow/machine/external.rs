//! Calls of what is not in the text.

use std::rc::Rc;

use super::fold::only_numbers;
use super::sink::selected;
use super::{Finish, Machine};
use crate::Language;
use crate::flow::form::Selector;
use crate::flow::program::{Call, Callee};
use crate::flow::state::State;
use crate::flow::value::{Fact, Kind, Val};

impl<'p, 't> Machine<'p, 't> {
    pub(super) fn call_outside(&mut self, call: &'p Call<'t>, below: Option<Val>, arguments: &[Val]) {
        let path = self.path_of(call, below);
        self.check_sinks(&path, call, below, arguments);
        let result = self.result_of(&path, call, below, arguments);
        self.push(result);
        self.propagate(&path, call, below, arguments);
        self.run_callbacks(below, arguments);
    }

    /// The path of what is called, as documents write it.
    fn path_of(&mut self, call: &Call<'t>, below: Option<Val>) -> Rc<str> {
        match (&call.callee, below) {
            (Callee::Name(name), _) => {
                let path = self.variable(name).and_then(|val| self.values.path(val)).map(|path| &**path);
                let path = path.or_else(|| self.names.imported(name)).unwrap_or(name);
                self.short(path)
            }
            (Callee::New(name), _) => {
                let path = self.names.imported(name).unwrap_or(name);
                self.short(path)
            }
            (Callee::Method(name), Some(below)) => {
                let path = match self.values.path(below) {
                    Some(path) => format!("{}.{name}", self.short(path)),
                    None => format!("?.{name}"),
                };
                path.into()
            }
            (_, below) => below.and_then(|below| self.values.path(below)).map_or("?".into(), |path| self.short(path)),
        }
    }

    fn result_of(&mut self, path: &Rc<str>, call: &'p Call<'t>, below: Option<Val>, arguments: &[Val]) -> Val {
        if let ("require" | "import" | "__import__" | "importlib.import_module", [module, ..]) = (&**path, arguments)
            && let Kind::Text(module) = self.values.kind(*module)
        {
            let module = module.strip_prefix("node:").unwrap_or(module).into();
            return self.values.named(module);
        }
        let kind = self.spec.source_calls.find(path).fold(0, |kinds, kind| kinds | kind);
        if kind != 0 {
            let taint = self.values.source(kind, call.at, format!("`{path}()` comes from outside").into());
            let val = self.values.carrying(Some(taint));
            return self.values.with_path(val, format!("{path}()").into());
        }
        let safe = self.spec.sanitizers.find(path).fold(0, |all, safe| all | safe);
        if safe == u64::MAX {
            return Val::CLEAN;
        }
        if self.spec.collections.find(path).next().is_some() && arguments.is_empty() {
            let val = self.values.object(crate::flow::value::Object::default());
            return self.values.with_path(val, Rc::clone(path));
        }
        let name = path.rsplit('.').next().unwrap_or(path);
        if safe == 0 {
            if let Some(val) = self.condition(name, path, call, below, arguments) {
                return val;
            }
            if let ("Sprintf" | "format", Some(Kind::Text(format))) =
                (name, arguments.first().map(|first| self.values.kind(*first)))
                && only_numbers(format)
            {
                return self.number_text(arguments);
            }
            // What is configured is the program's own choice.
            if let ("getProperty", [_, default]) = (name, arguments) {
                return *default;
            }
            if let Some(below) = below
                && let Some(val) = self.built_in(name, call, below, arguments)
            {
                return val;
            }
        }
        if self.spec.quiet.find(path).next().is_some() {
            return self.values.named(format!("{path}()").into());
        }
        let receiver = below.filter(|below| !matches!(self.values.kind(*below), Kind::Function(_) | Kind::Class(_)));
        // A package says nothing about what its functions give.
        let known = PURE.contains(&name);
        let package = known && call.receiver.as_ref().is_some_and(|place| self.variable(place.base).is_none());
        let shown = receiver.filter(|below| !package || self.values.taint(*below).is_some());
        let parts: Vec<Val> = shown.into_iter().chain(arguments.iter().copied()).collect();
        let mut taint = self.taint_of_all(&parts);
        if let Some(taint) = &mut taint {
            taint.safe |= safe;
        }
        let pure = matches!(call.callee, Callee::New(_)) && below.is_none() && !arguments.is_empty()
            || receiver.is_some_and(|below| self.values.is_clean(below))
            || known;
        if taint.is_none() && pure && parts.iter().all(|part| self.values.is_clean(*part)) {
            return if matches!(call.callee, Callee::New(_)) {
                self.values.with_path(Val::CLEAN, Rc::clone(path))
            } else {
                Val::CLEAN
            };
        }
        let val = self.values.carrying(taint);
        let builder = matches!(call.callee, Callee::New(_)) && path.contains("StringBu");
        let path =
            if matches!(call.callee, Callee::New(_)) || builder { Rc::clone(path) } else { format!("{path}()").into() };
        self.values.with_path(val, path)
    }

    /// Calls that are asked in conditions.
    fn condition(
        &mut self,
        name: &str,
        path: &str,
        call: &Call<'t>,
        below: Option<Val>,
        arguments: &[Val],
    ) -> Option<Val> {
        let receiver = call.subject;
        let first =
            call.arguments.first().and_then(|argument| argument.place.as_ref()).filter(|place| place.way.is_empty());
        let first = first.map(|place| place.base);
        let argument = arguments.first().copied();
        match name {
            "isdigit" | "isalnum" | "isalpha" | "isnumeric" | "isdecimal" | "isidentifier" => {
                Some(self.test(receiver.map(|name| (name, Fact::Safe)).into_iter().collect(), true))
            }
            "match" | "fullmatch" if below.is_some() && self.language == Language::Python => {
                let checked = call.arguments.last().and_then(|last| last.place.as_ref()).map(|place| place.base);
                let constant = path.starts_with("re.") || call.arguments.len() == 1;
                Some(self.test(checked.filter(|_| constant).map(|name| (name, Fact::Safe)).into_iter().collect(), true))
            }
            "matches" if arguments.len() == 1 => {
                Some(self.test(receiver.map(|name| (name, Fact::Safe)).into_iter().collect(), true))
            }
            "test" | "MatchString" => Some(self.test(first.map(|name| (name, Fact::Safe)).into_iter().collect(), true)),
            "equals" | "equalsIgnoreCase" => {
                let (below, argument) = (below?, argument?);
                Some(self.binary(crate::flow::program::Operator::Equal, below, argument, [receiver, first]))
            }
            "contains" | "includes" | "has" | "Contains" | "containsKey" | "indexOf" => {
                let (whole, part, names) = match (self.language, below, arguments) {
                    (Language::Go, _, [whole, part]) => (*whole, *part, [first, None]),
                    (_, Some(below), [part, ..]) => (below, *part, [receiver, first]),
                    _ => return None,
                };
                if name == "indexOf" {
                    return Some(Val::CLEAN);
                }
                Some(self.contains(whole, part, names, true))
            }
            "is_relative_to" => {
                let fact = receiver.map(|name| (name, Fact::Without("prefix".into())));
                Some(self.test(fact.into_iter().collect(), true))
            }
            "startswith" | "startsWith" | "HasPrefix" => {
                let name = if self.language == Language::Go { first } else { receiver };
                let fact = (name?, Fact::Without("prefix".into()));
                let constant = match self.values.kind(*arguments.last()?) {
                    Kind::Text(text) => Some(Rc::clone(text)),
                    _ => None,
                };
                let quoted = constant.map(|text| (fact.0, Fact::Without(format!("starts {text}").into())));
                Some(self.test([Some(fact), quoted].into_iter().flatten().collect(), true))
            }
            "len" | "strlen" | "isEmpty" | "isBlank" | "isNaN" | "isInteger" | "hashCode" | "exists" | "isPresent"
            | "endswith" | "endsWith" | "HasSuffix" | "length" | "hasOwnProperty" | "compareTo" => Some(Val::CLEAN),
            _ => None,
        }
    }

    fn propagate(&mut self, path: &str, call: &'p Call<'t>, below: Option<Val>, arguments: &[Val]) {
        let spec = self.spec;
        for (from, to) in spec.propagators.find(path) {
            let given = selected(from, call, below, arguments);
            let kind = match from {
                Selector::Named(kind) => spec.kinds.iter().position(|known| known == kind),
                _ => None,
            };
            let taint = match kind {
                Some(kind) => {
                    let says = format!("`{path}()` reads it from outside").into();
                    Some(self.values.source(1 << kind, call.at, says))
                }
                None => self.taint_of_all(&given),
            };
            let Some(taint) = taint else { continue };
            let place = match to {
                Selector::This => call.receiver.as_ref(),
                Selector::At(at) => call.arguments.get(*at).and_then(|argument| argument.place.as_ref()),
                Selector::From(_) | Selector::All | Selector::Named(_) => None,
            };
            if let Some(place) = place {
                let carrying = self.values.carrying(Some(taint));
                let before = self.variable(place.base).and_then(|val| self.values.path(val).cloned());
                let val = match before {
                    Some(path) => self.values.with_path(carrying, path),
                    None => carrying,
                };
                self.store_place(place, val);
            }
        }
        self.change_receiver(path, call, below, arguments);
    }

    /// Something outside that is given a value from outside keeps it.
    fn change_receiver(&mut self, path: &str, call: &'p Call<'t>, below: Option<Val>, arguments: &[Val]) {
        let name = path.rsplit('.').next().unwrap_or(path);
        let changes = CHANGING
            .iter()
            .any(|start| name.strip_prefix(start).is_some_and(|rest| !rest.starts_with(char::is_lowercase)));
        let (Some(place), Some(below)) = (&call.receiver, below.filter(|_| changes)) else { return };
        if matches!(self.values.kind(below), Kind::Object(_)) || place.base == "request" {
            return;
        }
        let Some(taint) = self.taint_of_all(arguments) else { return };
        let taint = crate::flow::value::join_taint(self.values.value(below).taint, Some(taint));
        let val = if let Kind::Unknown = self.values.kind(below) {
            self.values.with_taint(below, taint)
        } else {
            let carrying = self.values.carrying(taint);
            match self.values.path(below).cloned() {
                Some(path) => self.values.with_path(carrying, path),
                None => carrying,
            }
        };
        self.store_place(place, val);
    }

    /// Functions that were handed over are called with what the call is about.
    fn run_callbacks(&mut self, below: Option<Val>, arguments: &[Val]) {
        let taint = below.and_then(|below| self.values.taint(below)).filter(|taint| taint.kinds != 0);
        for argument in arguments.iter().rev() {
            let Kind::Function(closure) = self.values.kind(*argument).clone() else { continue };
            if !self.may_enter(closure.function) {
                continue;
            }
            let program = self.program;
            let Some(function) = program.functions.get(closure.function) else { continue };
            let mut state = State::default();
            for parameter in &function.parameters {
                let val = if taint.is_some() {
                    self.values.carrying(taint)
                } else {
                    let typed = parameter.kind.filter(|_| matches!(self.language, Language::Java | Language::Go));
                    self.values.given(typed.unwrap_or(parameter.name).trim_start_matches('*').into())
                };
                state.set(parameter.name, val);
            }
            self.push_frame(closure.function, state, Rc::clone(&closure.captured), Finish::Callback);
        }
    }
}

/// Methods that change what they are called on.
const CHANGING: [&str; 10] = ["append", "set", "add", "put", "insert", "push", "write", "update", "extend", "Write"];

/// Functions whose results are constant when all they are given is.
const PURE: [&str; 33] = [
    "format",
    "join",
    "Sprintf",
    "Sprint",
    "str",
    "String",
    "valueOf",
    "concat",
    "Join",
    "encode",
    "decode",
    "list",
    "b64decode",
    "b64encode",
    "urlsafe_b64decode",
    "urlsafe_b64encode",
    "decodeBase64",
    "encodeBase64",
    "unquote",
    "unquote_plus",
    "quote",
    "tuple",
    "dict",
    "set",
    "sorted",
    "asList",
    "of",
    "path.join",
    "resolve",
    "dirname",
    "abspath",
    "fromString",
    "bytes",
];
