//! Code as a list of small operations: what the machine runs instead of walking the tree.

use std::collections::HashSet;
use std::rc::Rc;

/// Bytes of the source, from and to.
pub(super) type Span = (u32, u32);

/// The functions and classes of one text. Function 0 is the text itself.
pub(super) struct Program<'t> {
    pub(super) functions: Vec<Function<'t>>,
    pub(super) classes: Vec<Class<'t>>,
    /// Names that something is called by.
    pub(super) called: HashSet<&'t str>,
}

pub(super) struct Function<'t> {
    pub(super) name: &'t str,
    pub(super) at: Span,
    pub(super) parameters: Vec<Parameter<'t>>,
    pub(super) code: Vec<Op<'t>>,
    /// Where jumps go.
    pub(super) labels: Vec<usize>,
    pub(super) class: Option<usize>,
    /// Whether its first parameter is the instance.
    pub(super) has_self: bool,
    /// Decorators and annotations, as written.
    pub(super) marks: Vec<&'t str>,
}

pub(super) struct Parameter<'t> {
    pub(super) name: &'t str,
    /// Its type, and what stands before it, as written.
    pub(super) kind: Option<&'t str>,
    pub(super) whole: &'t str,
    pub(super) at: Span,
    /// Whether it takes all that is left.
    pub(super) rest: bool,
}

pub(super) struct Class<'t> {
    pub(super) name: &'t str,
    pub(super) base: Option<&'t str>,
    pub(super) methods: Vec<(&'t str, usize)>,
    pub(super) fields: HashSet<&'t str>,
    /// The function that gives its fields their first values.
    pub(super) start: Option<usize>,
}

/// Something that can be assigned to: a name and the way down from it.
#[derive(Clone, Debug)]
pub(super) struct Place<'t> {
    pub(super) base: &'t str,
    pub(super) way: Vec<Hop<'t>>,
}

#[derive(Clone, Debug)]
pub(super) enum Hop<'t> {
    Member(&'t str),
    Key(Rc<str>),
    /// The key is what the name holds.
    Name(&'t str),
    Any,
}

#[derive(Clone, Debug)]
pub(super) enum Op<'t> {
    Text(Rc<str>),
    Int(i64),
    Bool(bool),
    Null,
    Clean,
    Unknown,
    Load(&'t str, Span),
    Member(&'t str, Span),
    /// Below an object, a key.
    Index(Span),
    Store(Place<'t>, Span, Option<&'t str>),
    /// The name holds something that is not known: an exception, say.
    Forget(&'t str),
    Drop,
    Double,
    /// One part of several that are assigned together.
    Part(usize),
    /// Two values and, where a condition may speak about them, their names.
    Binary(Operator, [Option<&'t str>; 2]),
    Not,
    Negate,
    /// A string put together from so many parts.
    Build(usize),
    /// The map above is an instance of this class.
    Instance(&'t str),
    /// A value that so many others may show in.
    Mix(usize),
    List(usize),
    /// So many keys, each with its value above it.
    Map(usize),
    Call(Box<Call<'t>>),
    Closure(usize),
    Element,
    /// The value above was written so; whether it is constant is remembered.
    Note(Span),
    Branch(usize),
    Else(usize),
    EndIf,
    Loop,
    EndLoop(usize),
    Switch,
    Case(usize),
    Default,
    EndSwitch,
    Try,
    Catch,
    EndTry,
    Break,
    Continue,
    Return(Span),
    Raise,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Percent,
    Subtract,
    Multiply,
    Divide,
    Equal,
    Differ,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    NotIn,
    And,
    Or,
    Other,
}

/// A call: below, its receiver or what is called, then its arguments.
#[derive(Clone, Debug)]
pub(super) struct Call<'t> {
    pub(super) callee: Callee<'t>,
    pub(super) arguments: Vec<Argument<'t>>,
    pub(super) at: Span,
    pub(super) receiver: Option<Place<'t>>,
    /// The name that its receiver is about, where the call is a test.
    pub(super) subject: Option<&'t str>,
}

#[derive(Clone, Debug)]
pub(super) enum Callee<'t> {
    /// A method of the value below.
    Method(&'t str),
    /// A name.
    Name(&'t str),
    /// The value below.
    Value,
    /// A class.
    New(&'t str),
}

#[derive(Clone, Debug)]
pub(super) struct Argument<'t> {
    pub(super) name: Option<&'t str>,
    pub(super) place: Option<Place<'t>>,
    pub(super) at: Span,
    /// `*list`, `...list`
    pub(super) spread: bool,
}
