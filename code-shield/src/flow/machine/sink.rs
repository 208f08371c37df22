//! Where values from outside do harm.

use std::rc::Rc;

use super::{Hit, Machine};
use crate::flow::form::{Selector, Shape};
use crate::flow::program::{Call, Hop, Place, Span};
use crate::flow::value::{Kind, Taint, Val};

impl<'p, 't> Machine<'p, 't> {
    pub(super) fn check_sinks(&mut self, path: &str, call: &'p Call<'t>, below: Option<Val>, arguments: &[Val]) {
        self.check_constants(path, call, arguments);
        let spec = self.spec;
        for sink in spec.sinks.find(path) {
            if spec.except.find(path).any(|rule| *rule == sink.rule) {
                continue;
            }
            if !sink.conditions.iter().all(|(name, wanted)| self.is_so(name, wanted, call, arguments)) {
                continue;
            }
            let mut found = None;
            for (selector, shape) in &sink.selectors {
                for val in selected(selector, call, below, arguments) {
                    let taint = match shape {
                        Shape::Any => self.values.taint(val),
                        Shape::Command => self.command_taint(val),
                        Shape::Shell => self.command_taint(val).filter(|_| self.is_shell(val)),
                        Shape::Text => {
                            self.values.taint(val).filter(|_| !matches!(self.values.kind(val), Kind::Object(_)))
                        }
                    };
                    found = found.or(taint.filter(|taint| self.harms(sink.rule, *taint)));
                }
            }
            if let Some(taint) = found {
                self.hit(sink.rule, call.at, taint, &format!("`{}` gets it", short_name(path)));
            }
        }
    }

    /// Constants that a rule does not want.
    fn check_constants(&mut self, path: &str, call: &'p Call<'t>, arguments: &[Val]) {
        let spec = self.spec;
        for (rule, selector, pattern) in spec.constants.find(path) {
            let values = selected(selector, call, None, arguments);
            let found = values.iter().any(|val| match self.values.kind(*val) {
                Kind::Text(text) => pattern.is_match(text),
                _ => false,
            });
            if found
                && !self.hits.iter().any(|hit| hit.rule == *rule && hit.at == call.at)
                && self.hits.len() < MOST_HITS
            {
                self.hits.push(Hit { rule: *rule, at: call.at, way: Vec::new() });
            }
        }
    }

    /// Whether an argument is what a sink asks for.
    fn is_so(&self, name: &str, wanted: &str, call: &Call<'t>, arguments: &[Val]) -> bool {
        let at = name.parse::<usize>().ok();
        let mut pairs = call.arguments.iter().zip(arguments);
        let found = match at {
            Some(at) => pairs.nth(at),
            None => pairs.find(|(argument, _)| argument.name == Some(name)),
        };
        match found.map(|(_, val)| self.values.kind(*val)) {
            Some(Kind::Bool(truth)) => {
                (*truth && matches!(wanted, "True" | "true")) || (!*truth && matches!(wanted, "False" | "false"))
            }
            Some(Kind::Text(text)) => wanted.split('|').any(|wanted| wanted == &**text),
            Some(Kind::Int(number)) => wanted == number.to_string(),
            _ => false,
        }
    }

    /// Of a command: its program, or what a shell is given to read.
    fn command_taint(&self, val: Val) -> Option<Taint> {
        let Kind::Object(list) = self.values.kind(val) else { return self.values.taint(val) };
        match list.field("0") {
            Some(program) if list.length.is_some() && !self.is_shell(val) => self.values.taint(program),
            _ => self.values.taint(val),
        }
    }

    /// Whether a list is a shell with its arguments.
    fn is_shell(&self, val: Val) -> bool {
        let Kind::Object(list) = self.values.kind(val) else { return false };
        match list.field("0").map(|program| self.values.kind(program)) {
            Some(Kind::Text(program)) => {
                let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
                SHELLS.contains(&name)
            }
            // One shell or another, as the system has it.
            Some(Kind::Clean) => list.field("1").is_some_and(|second| self.values.is_clean(second)),
            _ => false,
        }
    }

    fn harms(&self, rule: usize, taint: Taint) -> bool {
        let kinds = self.spec.rules.get(rule).map_or(0, |rule| rule.kinds);
        taint.kinds & kinds != 0 && taint.safe & (1 << rule) == 0
    }

    /// An assignment to a member or under a key.
    pub(super) fn stored(&mut self, place: &Place<'t>, val: Val, at: Span) {
        let Some((last, before)) = place.way.split_last() else { return };
        let mut path = match self.variable(place.base).and_then(|val| self.values.path(val)) {
            Some(path) => path.to_string(),
            None => self.names.imported(place.base).unwrap_or(place.base).to_owned(),
        };
        for hop in before {
            if let Hop::Member(name) = hop {
                path.push('.');
                path.push_str(name);
            }
        }
        let mut given = vec![val];
        match last {
            Hop::Member(name) => {
                path.push('.');
                path.push_str(name);
            }
            Hop::Name(name) => {
                path.push_str("[]");
                given.extend(self.variable(name));
            }
            Hop::Key(_) | Hop::Any => path.push_str("[]"),
        }
        let spec = self.spec;
        for rule in spec.stores.find(&path) {
            let taint = self.taint_of_all(&given).filter(|taint| self.harms(*rule, *taint));
            if let Some(taint) = taint {
                self.hit(*rule, at, taint, &format!("`{}` gets it", short_name(&path)));
            }
        }
    }

    /// What a handler of requests returns is shown to the one who asked.
    pub(super) fn returned_to_client(&mut self, val: Val, at: Span) {
        let spec = self.spec;
        for rule in &spec.returns {
            let taint = match self.values.kind(val) {
                // A map becomes JSON.
                Kind::Object(object) if object.length.is_none() => None,
                Kind::Object(object) => object.field("0").and_then(|first| self.values.taint(first)),
                _ => self.values.taint(val),
            };
            if let Some(taint) = taint.filter(|taint| self.harms(*rule, *taint)) {
                self.hit(*rule, at, taint, "the answer shows it");
            }
        }
    }

    fn hit(&mut self, rule: usize, at: Span, taint: Taint, says: &str) {
        if self.is_dead()
            || self.hits.len() >= MOST_HITS
            || self.hits.iter().any(|hit| hit.rule == rule && hit.at == at)
        {
            return;
        }
        let says: Rc<str> = says.into();
        let mut way = self.values.way(taint);
        way.push((at, says));
        self.hits.push(Hit { rule, at, way });
    }
}

/// The values of the arguments a document means.
pub(super) fn selected(selector: &Selector, call: &Call<'_>, below: Option<Val>, arguments: &[Val]) -> Vec<Val> {
    if call.arguments.iter().any(|argument| argument.spread) && !matches!(selector, Selector::This) {
        return arguments.to_vec();
    }
    let positions =
        || call.arguments.iter().zip(arguments).filter(|(argument, _)| argument.name.is_none()).map(|(_, val)| *val);
    match selector {
        Selector::At(at) => positions().nth(*at).into_iter().collect(),
        Selector::From(at) => positions().skip(*at).collect(),
        Selector::All => arguments.to_vec(),
        Selector::This => below.into_iter().collect(),
        Selector::Named(name) => call
            .arguments
            .iter()
            .zip(arguments)
            .filter(|(argument, _)| argument.name == Some(name))
            .map(|(_, val)| *val)
            .collect(),
    }
}

fn short_name(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

const SHELLS: [&str; 12] =
    ["sh", "bash", "zsh", "dash", "ksh", "cmd", "cmd.exe", "powershell", "powershell.exe", "pwsh", "env", "sudo"];

const MOST_HITS: usize = 500;
