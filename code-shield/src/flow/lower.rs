//! From a tree to operations, with a list of what is left to do in place of recursion.

use std::collections::HashSet;

use tree_sitter::Node;

use super::program::{Class, Function, Op, Parameter, Program, Span};
use crate::Language;

mod definition;
mod expression;
mod literal;
mod place;
mod statement;

/// Lowers a whole text.
pub(super) fn lower<'t>(root: Node<'t>, source: &'t str, language: Language) -> Program<'t> {
    let program = Program { functions: Vec::new(), classes: Vec::new(), called: HashSet::new() };
    let mut lower = Lower {
        source,
        language,
        program,
        queue: Vec::new(),
        tasks: Vec::new(),
        code: Vec::new(),
        labels: Vec::new(),
        locals: HashSet::new(),
        class: None,
        starts_class: false,
    };
    lower.program.functions.push(Function {
        name: "",
        at: span(root),
        parameters: Vec::new(),
        code: Vec::new(),
        labels: Vec::new(),
        class: None,
        has_self: false,
        marks: Vec::new(),
    });
    lower.queue.push(Body { function: 0, nodes: vec![root], starts_class: false, gives_value: false });
    let mut at = 0;
    while let Some(body) = lower.queue.get(at).cloned() {
        lower.body(&body);
        at += 1;
    }
    lower.program
}

pub(super) fn span(node: Node<'_>) -> Span {
    (node.start_byte() as u32, node.end_byte() as u32)
}

struct Lower<'t> {
    source: &'t str,
    language: Language,
    program: Program<'t>,
    /// Functions whose bodies are still to be read.
    queue: Vec<Body<'t>>,
    tasks: Vec<Task<'t>>,
    code: Vec<Op<'t>>,
    labels: Vec<usize>,
    /// Names the function has declared so far.
    locals: HashSet<&'t str>,
    class: Option<usize>,
    /// Whether assignments give fields of the class their first values.
    starts_class: bool,
}

#[derive(Clone)]
struct Body<'t> {
    function: usize,
    nodes: Vec<Node<'t>>,
    starts_class: bool,
    /// Whether its body is the value it returns.
    gives_value: bool,
}

enum Task<'t> {
    /// Leaves one value.
    Expression(Node<'t>),
    /// Leaves none.
    Statement(Node<'t>),
    Emit(Op<'t>),
    Label(usize),
}

impl<'t> Lower<'t> {
    fn body(&mut self, body: &Body<'t>) {
        let Some(function) = self.program.functions.get(body.function) else { return };
        self.class = function.class;
        self.locals = function.parameters.iter().map(|parameter| parameter.name).collect();
        self.starts_class = body.starts_class;
        let arrow = function.at;
        for node in body.nodes.iter().rev() {
            if body.gives_value {
                self.tasks.push(Task::Emit(Op::Return(arrow)));
                self.tasks.push(Task::Expression(*node));
            } else {
                self.tasks.push(Task::Statement(*node));
            }
        }
        while let Some(task) = self.tasks.pop() {
            match task {
                Task::Expression(node) => {
                    let before = self.tasks.len();
                    if !self.expression(node) {
                        self.tasks.push(Task::Emit(Op::Unknown));
                        if !self.statement(node) {
                            self.tasks.truncate(before);
                            self.mix(node);
                        }
                    }
                }
                Task::Statement(node) => {
                    if !self.statement(node) {
                        self.tasks.push(Task::Emit(Op::Drop));
                        self.tasks.push(Task::Expression(node));
                    }
                }
                Task::Emit(op) => self.code.push(op),
                Task::Label(label) => {
                    let here = self.code.len();
                    if let Some(at) = self.labels.get_mut(label) {
                        *at = here;
                    }
                }
            }
        }
        let (code, labels) = (std::mem::take(&mut self.code), std::mem::take(&mut self.labels));
        if let Some(function) = self.program.functions.get_mut(body.function) {
            function.code = code;
            function.labels = labels;
        }
    }

    /// Puts these before everything that is left to do.
    fn plan(&mut self, tasks: impl IntoIterator<Item = Task<'t>, IntoIter: DoubleEndedIterator>) {
        self.tasks.extend(tasks.into_iter().rev());
    }

    fn label(&mut self) -> usize {
        self.labels.push(usize::MAX);
        self.labels.len() - 1
    }

    fn text(&self, node: Node<'_>) -> &'t str {
        self.source.get(node.byte_range()).unwrap_or_default()
    }

    /// A value made of whatever lies below.
    fn mix(&mut self, node: Node<'t>) {
        let children = children(node);
        let count = children.len();
        self.plan(children.into_iter().map(Task::Expression).chain([Task::Emit(Op::Mix(count))]));
    }

    /// A new function, whose body is read later on.
    fn function(&mut self, function: Function<'t>, body: Body<'t>) -> usize {
        self.program.functions.push(function);
        let index = self.program.functions.len() - 1;
        self.queue.push(Body { function: index, ..body });
        index
    }

    fn class_named(&self, name: &str) -> Option<usize> {
        self.program.classes.iter().position(|class| class.name == name)
    }

    fn new_class(&mut self, name: &'t str, base: Option<&'t str>) -> usize {
        self.program.classes.push(Class { name, base, methods: Vec::new(), fields: HashSet::new(), start: None });
        self.program.classes.len() - 1
    }
}

/// The named children that are not comments.
fn children(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).filter(|child| !child.is_extra()).collect()
}

/// The child behind the first of these fields.
fn field<'t>(node: Node<'t>, names: &[&str]) -> Option<Node<'t>> {
    names.iter().find_map(|name| node.child_by_field_name(name))
}

impl<'t> Parameter<'t> {
    fn new(name: &'t str, at: Span) -> Parameter<'t> {
        Parameter { name, kind: None, whole: name, at, rest: false }
    }
}
