//! What is known at one point of a function, and the branches and loops that are open there.

use super::value::{Kind, Val, Values};

/// The names and open values; copied at branches, joined where they meet.
#[derive(Clone, Debug, Default)]
pub(super) struct State<'t> {
    /// In the order of the names.
    pub(super) vars: Vec<(&'t str, Val)>,
    pub(super) stack: Vec<Val>,
    /// Whether no way leads here.
    pub(super) dead: bool,
}

impl<'t> State<'t> {
    pub(super) fn get(&self, name: &str) -> Option<Val> {
        let at = self.vars.binary_search_by(|(other, _)| (*other).cmp(name)).ok()?;
        self.vars.get(at).map(|(_, val)| *val)
    }

    pub(super) fn set(&mut self, name: &'t str, val: Val) {
        match self.vars.binary_search_by(|(other, _)| (*other).cmp(name)) {
            Ok(at) => {
                if let Some((_, old)) = self.vars.get_mut(at) {
                    *old = val;
                }
            }
            Err(at) => self.vars.insert(at, (name, val)),
        }
    }

    pub(super) fn join(a: State<'t>, b: State<'t>, values: &mut Values<'t>) -> State<'t> {
        if a.dead {
            return b;
        }
        if b.dead {
            return a;
        }
        let mut vars = Vec::with_capacity(a.vars.len().max(b.vars.len()));
        let (mut left, mut right) = (a.vars.into_iter().peekable(), b.vars.into_iter().peekable());
        loop {
            match (left.peek().copied(), right.peek().copied()) {
                (Some((x, one)), Some((y, other))) if x == y => {
                    vars.push((x, values.join(one, other)));
                    left.next();
                    right.next();
                }
                (Some((x, one)), Some((y, _))) if x < y => {
                    vars.push((x, one));
                    left.next();
                }
                (Some((x, one)), None) => {
                    vars.push((x, one));
                    left.next();
                }
                (_, Some((y, other))) => {
                    vars.push((y, other));
                    right.next();
                }
                (None, None) => break,
            }
        }
        let height = a.stack.len().max(b.stack.len());
        let at = |stack: &[Val], index: usize| stack.get(index).copied().unwrap_or(Val::UNKNOWN);
        let stack = (0..height).map(|index| values.join(at(&a.stack, index), at(&b.stack, index))).collect();
        State { vars, stack, dead: false }
    }
}

/// A branch, a loop, a switch or a `try` whose end is still to come.
pub(super) enum Control<'t> {
    If {
        /// The state in which the other way starts; nothing when it cannot be taken.
        other: Option<State<'t>>,
        done: Option<State<'t>>,
    },
    Loop {
        before: State<'t>,
        again: Option<State<'t>>,
        after: Option<State<'t>>,
        round: u8,
    },
    Switch {
        subject: Val,
        /// The state of what no case has taken so far.
        open: State<'t>,
        after: Option<State<'t>>,
    },
    Try {
        before: State<'t>,
        /// What a handler starts with, once there is one.
        thrown: Option<State<'t>>,
        done: Option<State<'t>>,
    },
}

/// What a condition comes to, as far as it is known.
pub(super) fn truth(values: &Values<'_>, val: Val) -> Option<bool> {
    match values.kind(val) {
        Kind::Bool(truth) => Some(*truth),
        Kind::Int(number) => Some(*number != 0),
        Kind::Null => Some(false),
        Kind::Text(text) => Some(!text.is_empty()),
        Kind::Unknown | Kind::Clean | Kind::Object(_) | Kind::Function(_) | Kind::Class(_) | Kind::Test(_) => None,
    }
}

pub(super) fn join_into<'t>(slot: &mut Option<State<'t>>, state: State<'t>, values: &mut Values<'t>) {
    *slot = Some(match slot.take() {
        Some(before) => State::join(before, state, values),
        None => state,
    });
}
