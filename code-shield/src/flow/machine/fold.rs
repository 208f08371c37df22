//! What two values come to: constants are computed, conditions become facts.

use std::rc::Rc;

use super::Machine;
use super::step::LONGEST_TEXT;
use crate::Language;
use crate::flow::program::Operator;
use crate::flow::state::truth;
use crate::flow::value::{Fact, Kind, Object, Test, Val};

impl<'t> Machine<'_, 't> {
    pub(super) fn binary(&mut self, operator: Operator, left: Val, right: Val, names: [Option<&'t str>; 2]) -> Val {
        match operator {
            Operator::Add => self.add(left, right),
            Operator::Percent | Operator::Subtract | Operator::Multiply | Operator::Divide => {
                self.compute(operator, left, right)
            }
            Operator::Equal | Operator::Differ => self.compare(operator, left, right, names),
            Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual => {
                let kind = match (self.values.kind(left), self.values.kind(right)) {
                    (Kind::Int(x), Kind::Int(y)) => Kind::Bool(match operator {
                        Operator::Less => x < y,
                        Operator::LessEqual => x <= y,
                        Operator::Greater => x > y,
                        _ => x >= y,
                    }),
                    _ => Kind::Clean,
                };
                self.values.of(kind)
            }
            Operator::In | Operator::NotIn => {
                self.contains(right, left, [names[1], names[0]], operator == Operator::In)
            }
            Operator::And | Operator::Or => self.both(operator, left, right),
            Operator::Other => self.mix(&[left, right]),
        }
    }

    fn add(&mut self, left: Val, right: Val) -> Val {
        let joined = match (self.values.kind(left), self.values.kind(right)) {
            (Kind::Int(x), Kind::Int(y)) => Some(Kind::Int(x.wrapping_add(*y))),
            (Kind::Text(x), Kind::Text(y)) if x.len() + y.len() < LONGEST_TEXT => {
                Some(Kind::Text(format!("{x}{y}").into()))
            }
            (Kind::Text(x), Kind::Int(y)) => Some(Kind::Text(format!("{x}{y}").into())),
            (Kind::Int(x), Kind::Text(y)) => Some(Kind::Text(format!("{x}{y}").into())),
            (Kind::Object(x), Kind::Object(y)) => match (x.length, y.length) {
                (Some(first), Some(second)) => {
                    let more = y.fields.iter().map(|(key, val)| {
                        (key.parse().map_or_else(|_| Rc::clone(key), |at: usize| (at + first).to_string().into()), *val)
                    });
                    let fields = x.fields.iter().cloned().chain(more).collect();
                    let list = Object { fields, length: Some(first + second), ..Object::default() };
                    return self.values.object(list);
                }
                _ => None,
            },
            _ => None,
        };
        let tainted = self.values.value(left).taint.is_some() || self.values.value(right).taint.is_some();
        match joined.filter(|_| !tainted) {
            Some(kind) => self.values.of(kind),
            None => self.mix(&[left, right]),
        }
    }

    fn compute(&mut self, operator: Operator, left: Val, right: Val) -> Val {
        let kind = match (self.values.kind(left), self.values.kind(right)) {
            (Kind::Int(x), Kind::Int(y)) => {
                let number = match operator {
                    Operator::Subtract => Some(x.wrapping_sub(*y)),
                    Operator::Multiply => Some(x.wrapping_mul(*y)),
                    Operator::Divide => x.checked_div(*y),
                    _ => x.checked_rem(*y),
                };
                number.map_or(Kind::Clean, Kind::Int)
            }
            (Kind::Text(format), _) if operator == Operator::Percent && only_numbers(format) => {
                return self.number_text(&[right]);
            }
            // Only numbers and sets can be taken from one another.
            _ if operator == Operator::Subtract => Kind::Clean,
            _ => return self.mix(&[left, right]),
        };
        self.values.of(kind)
    }

    /// Text with numbers in it: nothing from outside shows, though it is no more constant than they are.
    pub(super) fn number_text(&mut self, numbers: &[Val]) -> Val {
        if numbers.iter().all(|number| self.values.is_clean(*number)) {
            return Val::CLEAN;
        }
        self.values.given("".into())
    }

    pub(super) fn equal(&self, left: Val, right: Val) -> Option<bool> {
        if self.values.value(left).taint.is_some() || self.values.value(right).taint.is_some() {
            return None;
        }
        match (self.values.kind(left), self.values.kind(right)) {
            (Kind::Int(x), Kind::Int(y)) => Some(x == y),
            (Kind::Text(x), Kind::Text(y)) => Some(x == y),
            (Kind::Bool(x), Kind::Bool(y)) => Some(x == y),
            (Kind::Null, Kind::Null) => Some(true),
            (Kind::Null, Kind::Int(_) | Kind::Text(_) | Kind::Bool(_) | Kind::Object(_))
            | (Kind::Int(_) | Kind::Text(_) | Kind::Bool(_) | Kind::Object(_), Kind::Null) => Some(false),
            _ => None,
        }
    }

    fn compare(&mut self, operator: Operator, left: Val, right: Val, names: [Option<&'t str>; 2]) -> Val {
        let wanted = operator == Operator::Equal;
        if let Some(equal) = self.equal(left, right) {
            return self.values.of(Kind::Bool(equal == wanted));
        }
        let fact = |name: Option<&'t str>, constant: bool| name.filter(|_| constant).map(|name| (name, Fact::Safe));
        let is_constant =
            |val: Val| !matches!(self.values.kind(val), Kind::Null | Kind::Int(_)) && self.values.is_clean(val);
        let facts: Vec<_> =
            fact(names[0], is_constant(right)).into_iter().chain(fact(names[1], is_constant(left))).collect();
        self.test(facts, wanted)
    }

    pub(super) fn test(&mut self, facts: Vec<(&'t str, Fact)>, when: bool) -> Val {
        if facts.is_empty() {
            return Val::CLEAN;
        }
        self.values.of(Kind::Test(Rc::new(Test { facts, when })))
    }

    /// `part in whole`.
    pub(super) fn contains(&mut self, whole: Val, part: Val, names: [Option<&'t str>; 2], when: bool) -> Val {
        let text = match (self.values.kind(whole), self.values.kind(part)) {
            (Kind::Text(whole), Kind::Text(part)) => {
                let found = whole.contains(&**part);
                return self.values.of(Kind::Bool(found == when));
            }
            (_, Kind::Text(text)) => Some(Rc::clone(text)),
            _ => None,
        };
        if let (Some(name), Some(text)) = (names[0], text) {
            // Where it is not found, it is not there.
            return self.test(vec![(name, Fact::Without(text))], !when);
        }
        match names[1] {
            Some(name) if self.values.taint(whole).is_none() && self.is_list_like(whole) => {
                self.test(vec![(name, Fact::Safe)], when)
            }
            _ => Val::CLEAN,
        }
    }

    fn is_list_like(&self, val: Val) -> bool {
        // What a list from elsewhere allows was allowed by the program.
        matches!(self.values.kind(val), Kind::Object(_) | Kind::Clean | Kind::Unknown)
    }

    fn both(&mut self, operator: Operator, left: Val, right: Val) -> Val {
        let and = operator == Operator::And;
        match truth(&self.values, left) {
            Some(truth) if truth == and => return right,
            Some(_) => return left,
            None => {}
        }
        let tests = match (self.values.kind(left), self.values.kind(right)) {
            (Kind::Test(x), Kind::Test(y)) if x.when == and && y.when == and => {
                Some(x.facts.iter().chain(&y.facts).cloned().collect::<Vec<_>>())
            }
            (Kind::Test(x), _) if x.when == and => Some(x.facts.clone()),
            (_, Kind::Test(y)) if y.when == and => Some(y.facts.clone()),
            _ => None,
        };
        match tests {
            Some(facts) => self.test(facts, and),
            None if matches!(self.values.kind(left), Kind::Test(_))
                || matches!(self.values.kind(right), Kind::Test(_)) =>
            {
                Val::CLEAN
            }
            // In scripts and Python the value itself is what is left.
            None if matches!(self.language, Language::Java | Language::Go) => Val::CLEAN,
            None if and => right,
            None => self.values.join(left, right),
        }
    }
}

/// Whether a format shows nothing but numbers, which can do no harm.
pub(super) fn only_numbers(format: &str) -> bool {
    let mut verbs =
        format.split('%').skip(1).map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.'));
    format.contains('%') && verbs.all(|verb| verb.starts_with(['d', 'x', 'f']))
}
