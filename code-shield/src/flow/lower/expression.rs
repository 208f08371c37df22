//! Expressions: each leaves one value.

use tree_sitter::Node;

use super::place::{INDEXES, MEMBERS, member_name, member_object};
use super::{Lower, Task, children, field, span};
use crate::flow::program::{Argument, Call, Callee, Hop, Op, Operator, Place};

impl<'t> Lower<'t> {
    pub(super) fn expression(&mut self, node: Node<'t>) -> bool {
        if self.literal(node) || self.closure(node) {
            return true;
        }
        let kind = node.kind();
        match kind {
            "identifier"
            | "this"
            | "self"
            | "super"
            | "shorthand_property_identifier"
            | "type_identifier"
            | "scoped_type_identifier"
            | "package_identifier"
            | "variable_name"
            | "field_identifier"
            | "property_identifier" => self.name(node),
            "parenthesized_expression"
            | "await_expression"
            | "await"
            | "as_expression"
            | "satisfies_expression"
            | "non_null_expression"
            | "expression_list"
            | "spread_element"
            | "list_splat"
            | "dictionary_splat"
            | "keyword_argument"
            | "literal_element"
            | "argument"
            | "parenthesized_pattern"
                if children(node).len() == 1 || kind == "as_expression" || kind == "keyword_argument" =>
            {
                match node.child_by_field_name("value").or_else(|| children(node).first().copied()) {
                    Some(inner) => self.plan([Task::Expression(inner)]),
                    None => self.code.push(Op::Unknown),
                }
            }
            "cast_expression" | "type_assertion_expression" | "type_conversion_expression" => self.cast(node),
            "binary_operator" | "binary_expression" | "boolean_operator" | "comparison_operator" => self.binary(node),
            "not_operator" | "unary_operator" | "unary_expression" | "prefix_unary_expression" => self.unary(node),
            "conditional_expression" | "ternary_expression" => self.conditional(node),
            "list" | "tuple" | "set" | "array" | "array_initializer" | "initializer_expression" | "expression_list" => {
                self.list(node);
            }
            "array_creation_expression" | "composite_literal" => match field(node, &["value", "body"]) {
                Some(value) => {
                    let class = field(node, &["type"]).filter(|kind| kind.kind() == "type_identifier");
                    let instance = class.map(|class| Task::Emit(Op::Instance(self.text(class))));
                    self.plan([Task::Expression(value)].into_iter().chain(instance).collect::<Vec<_>>());
                }
                None => self.code.push(Op::List(0)),
            },
            "literal_value" if children(node).iter().all(|child| child.kind() != "keyed_element") => self.list(node),
            "dictionary" | "object" | "literal_value" => self.map(node),
            "list_comprehension" | "set_comprehension" | "generator_expression" | "dictionary_comprehension" => {
                self.comprehension(node);
            }
            "assignment"
            | "assignment_expression"
            | "augmented_assignment"
            | "augmented_assignment_expression"
            | "named_expression"
            | "compound_assignment_expr" => self.assignment_value(node),
            "update_expression" => self.update(node),
            "call"
            | "call_expression"
            | "method_invocation"
            | "invocation_expression"
            | "explicit_constructor_invocation" => {
                self.call(node);
            }
            "object_creation_expression" | "new_expression" => self.creation(node),
            "slice_expression" | "slice" => self.mix(node),
            _ if MEMBERS.contains(&kind) => {
                let (Some(object), Some(name)) = (member_object(node), member_name(node)) else { return false };
                let member = Op::Member(self.text(name), span(node));
                self.plan([Task::Expression(object), Task::Emit(member)]);
            }
            _ if INDEXES.contains(&kind) => {
                let object = field(node, &["value", "object", "array", "operand", "expression"]);
                let (Some(object), Some(index)) = (object, field(node, &["subscript", "index"])) else { return false };
                self.plan([Task::Expression(object), Task::Expression(index), Task::Emit(Op::Index(span(node)))]);
            }
            _ => return false,
        }
        true
    }

    fn name(&mut self, node: Node<'t>) {
        let name = self.text(node);
        if self.is_field(name) {
            self.code.push(Op::Load(self.own_name(), span(node)));
            self.code.push(Op::Member(name, span(node)));
        } else {
            self.code.push(Op::Load(if name == "super" { self.own_name() } else { name }, span(node)));
        }
    }

    fn cast(&mut self, node: Node<'t>) {
        let number = field(node, &["type"]).is_some_and(|kind| {
            matches!(self.text(kind), "int" | "long" | "short" | "byte" | "double" | "float" | "boolean")
        });
        let Some(value) = field(node, &["value", "operand"]) else { return self.code.push(Op::Unknown) };
        let after = if number { vec![Op::Drop, Op::Clean] } else { Vec::new() };
        self.plan([Task::Expression(value)].into_iter().chain(after.into_iter().map(Task::Emit)).collect::<Vec<_>>());
    }

    fn binary(&mut self, node: Node<'t>) {
        let operands = children(node);
        let operator = field(node, &["operator", "operators"]).map_or("", |operator| self.text(operator));
        let operator = match operator {
            "+" | "." => Operator::Add,
            "%" => Operator::Percent,
            "-" => Operator::Subtract,
            "*" => Operator::Multiply,
            "/" | "//" => Operator::Divide,
            "==" | "===" | "is" => Operator::Equal,
            "!=" | "!==" | "is not" => Operator::Differ,
            "<" => Operator::Less,
            "<=" => Operator::LessEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterEqual,
            "in" => Operator::In,
            "not in" => Operator::NotIn,
            "and" | "&&" => Operator::And,
            "or" | "||" | "??" => Operator::Or,
            _ => Operator::Other,
        };
        let (Some(left), Some(right)) = (operands.first(), operands.get(1)) else { return self.mix(node) };
        if operands.len() > 2 {
            return self.mix(node);
        }
        let names = [self.tested(*left), self.tested(*right)];
        self.plan([Task::Expression(*left), Task::Expression(*right), Task::Emit(Op::Binary(operator, names))]);
    }

    /// The name a condition speaks about, through calls that change its case or ends only.
    pub(super) fn tested(&self, node: Node<'t>) -> Option<&'t str> {
        let mut at = node;
        for _ in 0..8 {
            match at.kind() {
                "identifier" => return Some(self.text(at)).filter(|name| !self.is_field(name)),
                "call" | "call_expression"
                    if field(at, &["function"]).is_some_and(|callee| matches!(self.text(callee), "str" | "String")) =>
                {
                    at = field(at, &["arguments"])?.named_child(0)?;
                }
                "attribute" | "member_expression"
                    if member_name(at).is_some_and(|name| HOST.contains(&self.text(name))) =>
                {
                    at = member_object(at)?;
                }
                "call" | "call_expression" => {
                    let callee =
                        at.child_by_field_name("function").filter(|callee| MEMBERS.contains(&callee.kind()))?;
                    at = member_object(callee)
                        .filter(|_| member_name(callee).is_some_and(|name| self.keeps_value(name)))?;
                }
                "method_invocation" => {
                    at = field(at, &["object"])
                        .filter(|_| field(at, &["name"]).is_some_and(|name| self.keeps_value(name)))?;
                }
                "parenthesized_expression" => at = at.named_child(0)?,
                kind if INDEXES.contains(&kind) && children(at).iter().any(|child| child.kind() == "slice") => {
                    at = field(at, &["value", "object"])?;
                }
                _ => return None,
            }
        }
        None
    }

    /// Whether a method gives the same text in another case or without its ends.
    fn keeps_value(&self, name: Node<'t>) -> bool {
        matches!(
            self.text(name),
            "lower" | "upper" | "strip" | "trim" | "casefold" | "toLowerCase" | "toUpperCase" | "toString" | "split"
        )
    }

    fn unary(&mut self, node: Node<'t>) {
        let Some(operand) = field(node, &["argument", "operand"]).or_else(|| children(node).last().copied()) else {
            return self.code.push(Op::Unknown);
        };
        let operator = field(node, &["operator"]).map_or_else(
            || self.text(node).chars().next().map_or(String::new(), |c| c.to_string()),
            |operator| self.text(operator).to_owned(),
        );
        let after = match operator.as_str() {
            "not" | "!" | "n" => vec![Op::Not],
            "-" => vec![Op::Negate],
            "typeof" | "delete" | "~" | "+" | "void" => vec![Op::Drop, Op::Clean],
            _ => Vec::new(),
        };
        self.plan([Task::Expression(operand)].into_iter().chain(after.into_iter().map(Task::Emit)).collect::<Vec<_>>());
    }

    fn conditional(&mut self, node: Node<'t>) {
        let parts = children(node);
        let (condition, yes, no) = match field(node, &["condition"]) {
            Some(condition) => (Some(condition), field(node, &["consequence"]), field(node, &["alternative"])),
            // Python says the value first.
            None => (parts.get(1).copied(), parts.first().copied(), parts.get(2).copied()),
        };
        let (Some(condition), Some(yes), Some(no)) = (condition, yes, no) else { return self.mix(node) };
        let (other, end) = (self.label(), self.label());
        self.plan([
            Task::Expression(condition),
            Task::Emit(Op::Branch(other)),
            Task::Expression(yes),
            Task::Emit(Op::Else(end)),
            Task::Label(other),
            Task::Expression(no),
            Task::Label(end),
            Task::Emit(Op::EndIf),
        ]);
    }

    fn list(&mut self, node: Node<'t>) {
        let items = children(node);
        let count = items.len();
        self.plan(items.into_iter().map(Task::Expression).chain([Task::Emit(Op::List(count))]).collect::<Vec<_>>());
    }

    fn map(&mut self, node: Node<'t>) {
        let mut tasks = Vec::new();
        let mut count = 0;
        for pair in children(node) {
            let parts = children(pair);
            let (key, value) = match pair.kind() {
                "pair" => (pair.child_by_field_name("key"), pair.child_by_field_name("value")),
                "keyed_element" => (parts.first().copied(), parts.get(1).copied()),
                "shorthand_property_identifier" => (Some(pair), Some(pair)),
                _ => (None, Some(pair)),
            };
            match key.map(|key| (key, key.kind())) {
                Some((key, "property_identifier" | "shorthand_property_identifier")) => {
                    tasks.push(Task::Emit(Op::Text(self.text(key).into())));
                }
                Some((key, "literal_element")) if key.named_child(0).is_some_and(|key| key.kind() == "identifier") => {
                    tasks.push(Task::Emit(Op::Text(self.text(key).into())));
                }
                Some((key, _)) => tasks.push(Task::Expression(key)),
                None => tasks.push(Task::Emit(Op::Unknown)),
            }
            match value {
                Some(value) => tasks.push(Task::Expression(value)),
                None => tasks.push(Task::Emit(Op::Unknown)),
            }
            count += 1;
        }
        tasks.push(Task::Emit(Op::Map(count)));
        self.plan(tasks);
    }

    fn comprehension(&mut self, node: Node<'t>) {
        let mut tasks = Vec::new();
        for clause in children(node).into_iter().filter(|child| child.kind() == "for_in_clause") {
            let (Some(left), Some(right)) = (field(clause, &["left"]), field(clause, &["right"])) else { continue };
            tasks.extend([Task::Expression(right), Task::Emit(Op::Element)]);
            tasks.extend(self.store(left, None));
        }
        let Some(body) = field(node, &["body"]) else { return self.mix(node) };
        let body = if body.kind() == "pair" { field(body, &["value"]).unwrap_or(body) } else { body };
        tasks.extend([Task::Expression(body), Task::Emit(Op::List(1))]);
        self.plan(tasks);
    }

    fn assignment_value(&mut self, node: Node<'t>) {
        let tasks = self.assignment(node, &[Op::Double]);
        self.plan(tasks);
    }

    fn update(&mut self, node: Node<'t>) {
        let Some(target) = field(node, &["argument", "operand"]).or_else(|| children(node).first().copied()) else {
            return self.code.push(Op::Unknown);
        };
        let operator = if self.text(node).contains("--") { Operator::Subtract } else { Operator::Add };
        let mut tasks = vec![
            Task::Expression(target),
            Task::Emit(Op::Int(1)),
            Task::Emit(Op::Binary(operator, [None, None])),
            Task::Emit(Op::Double),
        ];
        tasks.extend(self.store(target, None));
        self.plan(tasks);
    }

    fn call(&mut self, node: Node<'t>) {
        let mut tasks = Vec::new();
        let (mut receiver, mut subject) = (None, None);
        let java_name = if node.kind() == "method_invocation" { field(node, &["name"]) } else { None };
        let callee = if node.kind() == "explicit_constructor_invocation" {
            Callee::Name("super")
        } else if let Some(name) = java_name {
            match field(node, &["object"]) {
                Some(object) => {
                    tasks.push(Task::Expression(object));
                    receiver = self.place(object);
                    subject = self.tested(object);
                    Callee::Method(self.text(name))
                }
                None => Callee::Name(self.text(name)),
            }
        } else {
            let Some(function) = field(node, &["function"]) else { return self.mix(node) };
            match function.kind() {
                "identifier" => Callee::Name(self.text(function)),
                kind if MEMBERS.contains(&kind) => {
                    let (Some(object), Some(name)) = (member_object(function), member_name(function)) else {
                        return self.mix(node);
                    };
                    tasks.push(Task::Expression(object));
                    receiver = self.place(object);
                    subject = self.tested(object);
                    Callee::Method(self.text(name))
                }
                _ => {
                    tasks.push(Task::Expression(function));
                    Callee::Value
                }
            }
        };
        if let Callee::Method(name) | Callee::Name(name) = &callee {
            self.program.called.insert(name);
        }
        let arguments = self.arguments(field(node, &["arguments"]), &mut tasks);
        let call = Call { callee, arguments, at: span(node), receiver, subject };
        tasks.push(Task::Emit(Op::Call(Box::new(call))));
        self.plan(tasks);
    }

    fn creation(&mut self, node: Node<'t>) {
        let Some(class) = field(node, &["type", "constructor"]) else { return self.mix(node) };
        let name = self.text(class);
        let name = name.split('<').next().unwrap_or(name).trim();
        if let Some(body) = children(node).into_iter().find(|child| child.kind() == "class_body") {
            self.anonymous_class(node, body);
        }
        let mut tasks = Vec::new();
        let arguments = self.arguments(field(node, &["arguments"]), &mut tasks);
        let call = Call { callee: Callee::New(name), arguments, at: span(node), receiver: None, subject: None };
        tasks.push(Task::Emit(Op::Call(Box::new(call))));
        self.plan(tasks);
    }

    fn arguments(&mut self, list: Option<Node<'t>>, tasks: &mut Vec<Task<'t>>) -> Vec<Argument<'t>> {
        let Some(list) = list else { return Vec::new() };
        let nodes =
            if matches!(list.kind(), "generator_expression" | "template_string") { vec![list] } else { children(list) };
        let mut arguments = Vec::new();
        for node in nodes {
            let (name, value) = match node.kind() {
                "keyword_argument" => {
                    (field(node, &["name"]).map(|name| self.text(name)), field(node, &["value"]).unwrap_or(node))
                }
                _ => (None, node),
            };
            let spread = matches!(node.kind(), "list_splat" | "spread_element" | "variadic_argument");
            tasks.push(Task::Expression(value));
            arguments.push(Argument { name, place: self.place(value), at: span(value), spread });
        }
        arguments
    }

    /// Takes the value above and puts it where a pattern says.
    pub(super) fn store(&mut self, target: Node<'t>, kind: Option<&'t str>) -> Vec<Task<'t>> {
        let mut tasks = Vec::new();
        // Patterns inside patterns are rare; what lies deeper than this gets the whole value.
        match target.kind() {
            "tuple_pattern" | "pattern_list" | "list_pattern" | "array_pattern" | "tuple" | "list" => {
                for (index, part) in children(target).into_iter().enumerate() {
                    tasks.extend([Task::Emit(Op::Double), Task::Emit(Op::Part(index))]);
                    tasks.extend(self.store_one(part, None));
                }
                tasks.push(Task::Emit(Op::Drop));
            }
            "expression_list" if children(target).len() > 1 => {
                for (index, part) in children(target).into_iter().enumerate() {
                    tasks.extend([Task::Emit(Op::Double), Task::Emit(Op::Part(index))]);
                    tasks.extend(self.store_one(part, None));
                }
                tasks.push(Task::Emit(Op::Drop));
            }
            "object_pattern" => {
                for part in children(target) {
                    let key = field(part, &["key", "left"]).unwrap_or(part);
                    let local = field(part, &["value"]).unwrap_or(key);
                    tasks.extend([Task::Emit(Op::Double), Task::Emit(Op::Member(self.text(key), span(key)))]);
                    tasks.extend(self.store_one(local, None));
                }
                tasks.push(Task::Emit(Op::Drop));
            }
            _ => tasks.extend(self.store_one(target, kind)),
        }
        tasks
    }

    fn store_one(&mut self, target: Node<'t>, kind: Option<&'t str>) -> Vec<Task<'t>> {
        if self.starts_class && target.kind() == "identifier" {
            let place = Place { base: self.own_name(), way: vec![Hop::Member(self.text(target))] };
            return vec![Task::Emit(Op::Store(place, span(target), kind))];
        }
        let inner =
            if target.kind() == "assignment_pattern" { field(target, &["left"]).unwrap_or(target) } else { target };
        if let Some(place) = self.place(inner) {
            return vec![Task::Emit(Op::Store(place, span(target), kind))];
        }
        let mut names = Vec::new();
        let mut open = vec![inner];
        while let Some(node) = open.pop() {
            if node.kind() == "identifier" {
                names.push(self.text(node));
            }
            open.extend(children(node));
        }
        let forget = names.into_iter().map(|name| Task::Emit(Op::Forget(name)));
        forget.chain([Task::Emit(Op::Drop)]).collect()
    }
}

/// The parts of an address that say where it leads.
const HOST: [&str; 5] = ["netloc", "hostname", "host", "origin", "scheme"];
