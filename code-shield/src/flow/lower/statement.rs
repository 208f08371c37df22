//! Statements: none leaves a value.

use tree_sitter::Node;

use super::{Lower, Task, children, field, span};
use crate::flow::program::{Hop, Op, Operator, Place};

impl<'t> Lower<'t> {
    pub(super) fn statement(&mut self, node: Node<'t>) -> bool {
        if self.definition(node) {
            return true;
        }
        match node.kind() {
            "module"
            | "program"
            | "source_file"
            | "block"
            | "statement_block"
            | "ERROR"
            | "export_statement"
            | "else_clause"
            | "finally_clause"
            | "labeled_statement"
            | "synchronized_statement"
            | "static_initializer"
            | "var_spec_list"
            | "constructor_body"
            | "compound_statement"
            | "statement_list"
            | "declaration_list"
            | "compilation_unit"
            | "global_statement"
            | "try_body" => {
                self.plan(children(node).into_iter().map(Task::Statement));
            }
            "var_declaration"
            | "const_declaration"
            | "lexical_declaration"
            | "variable_declaration"
            | "local_variable_declaration"
            | "field_declaration"
            | "local_declaration_statement" => {
                let declarators = children(node).into_iter().filter(|child| {
                    matches!(
                        child.kind(),
                        "variable_declarator" | "var_spec" | "const_spec" | "var_spec_list" | "variable_declaration"
                    )
                });
                let kind = field(node, &["type"]);
                for declarator in declarators.collect::<Vec<_>>().into_iter().rev() {
                    match declarator.kind() {
                        "var_spec_list" | "variable_declaration" => self.plan([Task::Statement(declarator)]),
                        _ => self.declaration(declarator, kind),
                    }
                }
            }
            "expression_statement" => {
                let inner = children(node).into_iter();
                self.plan(inner.map(Task::Statement).collect::<Vec<_>>());
            }
            "assignment"
            | "assignment_expression"
            | "augmented_assignment"
            | "augmented_assignment_expression"
            | "assignment_statement"
            | "short_var_declaration" => {
                let tasks = self.assignment(node, &[]);
                self.plan(tasks);
            }
            "variable_declarator" | "var_spec" | "const_spec" | "public_field_definition" | "field_definition" => {
                self.declaration(node, None);
            }
            "if_statement" | "elif_clause" => self.branch(node),
            "while_statement"
            | "do_statement"
            | "for_statement"
            | "for_in_statement"
            | "enhanced_for_statement"
            | "foreach_statement" => self.repeat(node),
            "switch_expression"
            | "switch_statement"
            | "match_statement"
            | "expression_switch_statement"
            | "type_switch_statement" => self.switch(node),
            "try_statement" | "try_with_resources_statement" => self.attempt(node),
            "with_statement" => self.with(node),
            "return_statement" | "break_statement" | "continue_statement" | "throw_statement" | "raise_statement" => {
                self.leaving(node);
            }
            "import_statement"
            | "import_from_statement"
            | "import_declaration"
            | "package_declaration"
            | "pass_statement"
            | "package_clause"
            | "comment"
            | "global_nonlocal"
            | "empty_statement"
            | "type_declaration"
            | "import_specifier"
            | "future_import_statement"
            | "line_comment"
            | "block_comment" => {}
            _ => return node.is_extra(),
        }
        true
    }

    fn leaving(&mut self, node: Node<'t>) {
        let values = children(node);
        match (node.kind(), values.first()) {
            ("break_statement", _) => self.code.push(Op::Break),
            ("continue_statement", _) => self.code.push(Op::Continue),
            ("return_statement", Some(value)) => {
                self.plan([Task::Expression(*value), Task::Emit(Op::Return(span(node)))]);
            }
            ("return_statement", None) => self.code.extend([Op::Null, Op::Return(span(node))]),
            _ => {
                let raised = values.into_iter().flat_map(|child| [Task::Expression(child), Task::Emit(Op::Drop)]);
                self.plan(raised.chain([Task::Emit(Op::Raise)]).collect::<Vec<_>>());
            }
        }
    }

    /// The value, what is done with it before (`keep`), and where it goes.
    pub(super) fn assignment(&mut self, node: Node<'t>, keep: &[Op<'t>]) -> Vec<Task<'t>> {
        let (target, value) = (field(node, &["left", "name"]), field(node, &["right", "value"]));
        let (Some(target), Some(value)) = (target, value) else {
            return keep.iter().map(|_| Task::Emit(Op::Unknown)).collect();
        };
        let (targets, values) = (children(target), children(value));
        let lists = ["pattern_list", "expression_list", "tuple_pattern"];
        if lists.contains(&target.kind())
            && ["expression_list", "tuple"].contains(&value.kind())
            && targets.len() == values.len()
            && keep.is_empty()
        {
            let mut tasks: Vec<_> = values.into_iter().map(Task::Expression).collect();
            for part in targets.into_iter().rev() {
                tasks.extend(self.store(part, None));
            }
            return tasks;
        }
        let operator = field(node, &["operator"]).map_or("=", |operator| self.text(operator));
        let mut tasks = Vec::new();
        if matches!(operator, "=" | ":=") {
            tasks.push(Task::Expression(value));
        } else {
            let operator = match operator {
                "+=" | ".=" => Operator::Add,
                "-=" => Operator::Subtract,
                "*=" => Operator::Multiply,
                "??=" | "||=" => Operator::Or,
                _ => Operator::Other,
            };
            let join = Op::Binary(operator, [None, None]);
            tasks.extend([Task::Expression(target), Task::Expression(value), Task::Emit(join)]);
        }
        tasks.push(Task::Emit(Op::Note(span(value))));
        tasks.extend(keep.iter().cloned().map(Task::Emit));
        tasks.extend(self.store(target, None));
        tasks
    }

    /// A name with its first value; the type may stand before all names of a declaration.
    fn declaration(&mut self, node: Node<'t>, kind: Option<Node<'t>>) {
        let Some(target) = field(node, &["name", "property"]) else { return };
        let kind = node.child_by_field_name("type").or(kind);
        let kind = kind.map(|kind| self.text(kind).trim_start_matches([':', ' ']));
        let is_own = self.starts_class && matches!(target.kind(), "identifier" | "property_identifier");
        if is_own {
            let name = self.text(target);
            let value = match field(node, &["value"]) {
                Some(value) => Task::Expression(value),
                None => Task::Emit(Op::Unknown),
            };
            let place = Place { base: self.own_name(), way: vec![Hop::Member(name)] };
            self.plan([value, Task::Emit(Op::Store(place, span(target), kind))]);
            return;
        }
        if target.kind() == "identifier" {
            let name = self.text(target);
            self.locals.insert(name);
        }
        let value = field(node, &["value"]).or_else(|| {
            children(node).into_iter().skip(1).find(|child| !matches!(child.kind(), "type_annotation" | "identifier"))
        });
        let Some(value) = value.filter(|value| Some(value.id()) != field(node, &["type"]).map(|kind| kind.id())) else {
            let mut tasks = vec![Task::Emit(Op::Null)];
            tasks.extend(self.store(target, kind));
            return self.plan(tasks);
        };
        let mut tasks = vec![Task::Expression(value), Task::Emit(Op::Note(span(value)))];
        tasks.extend(self.store(target, kind));
        self.plan(tasks);
    }

    fn branch(&mut self, node: Node<'t>) {
        let Some(condition) = field(node, &["condition"]) else {
            return self.plan(children(node).into_iter().map(Task::Statement));
        };
        let (other, end) = (self.label(), self.label());
        let mut tasks: Vec<_> = field(node, &["initializer"]).map(Task::Statement).into_iter().collect();
        tasks.extend([Task::Expression(condition), Task::Emit(Op::Branch(other))]);
        tasks.extend(field(node, &["consequence"]).map(Task::Statement));
        tasks.extend([Task::Emit(Op::Else(end)), Task::Label(other)]);
        let mut cursor = node.walk();
        let alternatives: Vec<_> = node.children_by_field_name("alternative", &mut cursor).collect();
        // In Python each `elif` stands beside the others: what follows it is its other way.
        let mut ends = vec![end];
        for alternative in alternatives {
            let condition = field(alternative, &["condition"]).filter(|_| alternative.kind() == "elif_clause");
            let Some(condition) = condition else {
                tasks.push(Task::Statement(field(alternative, &["body"]).unwrap_or(alternative)));
                continue;
            };
            let (other, end) = (self.label(), self.label());
            tasks.extend([Task::Expression(condition), Task::Emit(Op::Branch(other))]);
            tasks.extend(field(alternative, &["consequence"]).map(Task::Statement));
            tasks.extend([Task::Emit(Op::Else(end)), Task::Label(other)]);
            ends.push(end);
        }
        for end in ends.into_iter().rev() {
            tasks.extend([Task::Label(end), Task::Emit(Op::EndIf)]);
        }
        self.plan(tasks);
    }

    fn repeat(&mut self, node: Node<'t>) {
        let mut tasks = Vec::new();
        let clause = children(node).into_iter().find(|child| matches!(child.kind(), "for_clause" | "range_clause"));
        let head = clause.unwrap_or(node);
        tasks.extend(field(head, &["init", "initializer"]).map(Task::Statement));
        let (start, other, end) = (self.label(), self.label(), self.label());
        let source = field(head, &["right"])
            .or_else(|| matches!(node.kind(), "enhanced_for_statement").then(|| field(node, &["value"])).flatten());
        let target = field(head, &["left"])
            .or_else(|| matches!(node.kind(), "enhanced_for_statement").then(|| field(node, &["name"])).flatten());
        if let Some(source) = source {
            tasks.push(Task::Expression(source));
            tasks.push(Task::Emit(Op::Element));
            let single = target.filter(|target| head.kind() == "range_clause" && children(*target).len() == 2);
            match (single, target) {
                (Some(pair), _) => {
                    tasks.extend(children(pair).get(1).map(|value| self.store(*value, None)).unwrap_or_default());
                }
                (None, Some(target)) => {
                    tasks.extend(self.store(target, field(node, &["type"]).map(|kind| self.text(kind))));
                }
                (None, None) => tasks.push(Task::Emit(Op::Drop)),
            }
        }
        tasks.extend([Task::Emit(Op::Loop), Task::Label(start)]);
        let condition = field(head, &["condition"]).filter(|_| node.kind() != "do_statement");
        let condition = condition.filter(|condition| condition.kind() != "empty_statement");
        if let Some(condition) = condition {
            let condition = if condition.kind() == "expression_statement" {
                condition.named_child(0).unwrap_or(condition)
            } else {
                condition
            };
            tasks.extend([Task::Expression(condition), Task::Emit(Op::Branch(other))]);
        } else if source.is_some() {
            tasks.extend([Task::Emit(Op::Unknown), Task::Emit(Op::Branch(other))]);
        }
        tasks.extend(field(node, &["body"]).map(Task::Statement));
        if let Some(update) = field(head, &["update", "increment"]) {
            tasks.push(Task::Statement(update));
        }
        if condition.is_some() || source.is_some() {
            tasks.extend([Task::Emit(Op::Else(end)), Task::Label(other), Task::Label(end), Task::Emit(Op::EndIf)]);
        }
        tasks.push(Task::Emit(Op::EndLoop(start)));
        if let Some(otherwise) = field(node, &["alternative"]) {
            tasks.push(Task::Statement(field(otherwise, &["body"]).unwrap_or(otherwise)));
        }
        self.plan(tasks);
    }

    fn switch(&mut self, node: Node<'t>) {
        let Some(subject) = field(node, &["condition", "value", "subject"]) else {
            return self.plan(children(node).into_iter().map(Task::Statement));
        };
        let mut tasks: Vec<_> = field(node, &["initializer"]).map(Task::Statement).into_iter().collect();
        tasks.extend([Task::Expression(subject), Task::Emit(Op::Switch)]);
        let body = field(node, &["body"]).unwrap_or(node);
        for case in children(body) {
            let parts = children(case);
            let stops = !matches!(
                case.kind(),
                "switch_block_statement_group" | "switch_case" | "switch_default" | "switch_section"
            );
            let mut labels = Vec::new();
            let mut body = Vec::new();
            let mut is_default = matches!(case.kind(), "switch_default" | "default_case");
            match case.kind() {
                "switch_block_statement_group" | "switch_rule" => {
                    for part in parts {
                        if part.kind() == "switch_label" {
                            let values = children(part);
                            is_default |= values.is_empty();
                            labels.extend(values);
                        } else {
                            body.push(part);
                        }
                    }
                }
                "case_clause" => {
                    for part in &parts {
                        match part.kind() {
                            "case_pattern" => labels.extend(alternatives(*part)),
                            _ => body.push(*part),
                        }
                    }
                    is_default = labels.iter().any(|label| matches!(self.text(*label), "_"));
                }
                "switch_case" | "expression_case" | "switch_default" | "default_case" => {
                    let value = field(case, &["value"]);
                    let values = value.map(|v| if v.kind() == "expression_list" { children(v) } else { vec![v] });
                    labels.extend(values.unwrap_or_default());
                    body.extend(parts.into_iter().filter(|part| value.is_none_or(|value| value.id() != part.id())));
                }
                _ => continue,
            }
            if is_default {
                tasks.push(Task::Emit(Op::Default));
            } else {
                let count = labels.len();
                tasks.extend(labels.into_iter().map(Task::Expression));
                tasks.push(Task::Emit(Op::Case(count)));
            }
            tasks.extend(body.into_iter().map(Task::Statement));
            if stops {
                tasks.push(Task::Emit(Op::Break));
            }
        }
        tasks.push(Task::Emit(Op::EndSwitch));
        self.plan(tasks);
    }

    fn attempt(&mut self, node: Node<'t>) {
        let mut tasks = Vec::new();
        let resources = field(node, &["resources"]).map(children).unwrap_or_default();
        for resource in resources {
            if let (Some(name), Some(value)) = (field(resource, &["name"]), field(resource, &["value"])) {
                let kind = field(resource, &["type"]).map(|kind| self.text(kind));
                tasks.push(Task::Expression(value));
                tasks.extend(self.store(name, kind));
            }
        }
        tasks.push(Task::Emit(Op::Try));
        tasks.extend(field(node, &["body"]).map(Task::Statement));
        let mut last = Vec::new();
        for part in children(node) {
            match part.kind() {
                "except_clause" | "catch_clause" | "except_group_clause" => {
                    tasks.push(Task::Emit(Op::Catch));
                    let parts = children(part);
                    let body = field(part, &["body"]).or_else(|| parts.last().copied());
                    for head in parts.iter().filter(|head| body.is_none_or(|body| body.id() != head.id())) {
                        let name = match head.kind() {
                            "catch_formal_parameter" => field(*head, &["name"]),
                            "as_pattern" => field(*head, &["alias"]).and_then(|alias| alias.named_child(0)),
                            "identifier" if field(part, &["parameter"]) == Some(*head) => Some(*head),
                            _ => None,
                        };
                        tasks.extend(name.map(|name| Task::Emit(Op::Forget(self.text(name)))));
                    }
                    tasks.extend(body.map(Task::Statement));
                }
                "finally_clause" => last.push(Task::Statement(part)),
                _ => {}
            }
        }
        tasks.push(Task::Emit(Op::EndTry));
        tasks.append(&mut last);
        self.plan(tasks);
    }

    fn with(&mut self, node: Node<'t>) {
        let mut tasks = Vec::new();
        let clause = children(node).into_iter().find(|child| child.kind() == "with_clause");
        for item in clause.map(children).unwrap_or_default() {
            let Some(value) = field(item, &["value"]) else { continue };
            match (value.kind() == "as_pattern", field(value, &["alias"])) {
                (true, Some(alias)) => {
                    tasks.extend(value.named_child(0).map(Task::Expression));
                    tasks.extend(alias.named_child(0).map(|name| self.store(name, None)).unwrap_or_default());
                }
                _ => tasks.extend([Task::Expression(value), Task::Emit(Op::Drop)]),
            }
        }
        tasks.extend(field(node, &["body"]).map(Task::Statement));
        self.plan(tasks);
    }
}

/// The patterns of a `case`, one by one.
fn alternatives(pattern: Node<'_>) -> Vec<Node<'_>> {
    let inside = children(pattern);
    match inside.first() {
        Some(union) if union.kind() == "union_pattern" => children(*union),
        Some(one) => vec![*one],
        None => vec![pattern],
    }
}
