//! Imports: which path a name stands for.

use tree_sitter::Node;

use super::Names;
use crate::Language;

impl<'a> Names<'a> {
    pub(super) fn import(&mut self, node: Node<'a>) {
        match (self.language, node.kind()) {
            (Language::Python, "import_statement") => self.python_import(node, None),
            (Language::Python, "import_from_statement") => {
                let module = node.child_by_field_name("module_name").map(|module| self.text(module));
                let mut cursor = node.walk();
                if node.named_children(&mut cursor).any(|child| child.kind() == "wildcard_import") {
                    self.whole.extend(module);
                }
                self.python_import(node, module);
            }
            (Language::JavaScript | Language::TypeScript | Language::Tsx, "import_statement") => {
                self.script_import(node);
            }
            (Language::JavaScript | Language::TypeScript | Language::Tsx, "variable_declarator") => {
                self.script_require(node);
            }
            (Language::Java, "import_declaration") => {
                let path = node.named_child(0).map_or("", |path| self.text(path));
                if let Some((_, name)) = path.rsplit_once('.') {
                    self.imports.insert(name.to_owned(), path.to_owned());
                }
            }
            (Language::Go, "import_spec") => {
                let Some(path) = node.child_by_field_name("path") else { return };
                let path = self.text(path).trim_matches(['"', '`']);
                let last = path.rsplit('/').find(|part| !is_version(part)).unwrap_or(path);
                let name = node.child_by_field_name("name").map_or(last, |name| self.text(name));
                self.imports.insert(name.to_owned(), path.to_owned());
            }
            _ => {}
        }
    }

    /// The module a `require("…")`, an awaited `import("…")` or a Python `__import__("…")` gives.
    pub(super) fn required_module(&self, call: Node<'a>) -> Option<String> {
        let function = self.text(call.child_by_field_name("function")?);
        if !["require", "import", "__import__", "importlib.import_module"].contains(&function) {
            return None;
        }
        let argument = call.child_by_field_name("arguments")?.named_child(0)?;
        self.constant(argument).map(|name| module(&name))
    }

    fn python_import(&mut self, node: Node<'a>, module: Option<&'a str>) {
        let mut cursor = node.walk();
        let names: Vec<_> = node.children_by_field_name("name", &mut cursor).collect();
        for name in names {
            let (path, alias) = if name.kind() == "aliased_import" {
                let Some(path) = name.child_by_field_name("name") else { continue };
                (self.text(path), name.child_by_field_name("alias").map(|alias| self.text(alias)))
            } else {
                (self.text(name), None)
            };
            match (module, alias) {
                (Some(module), _) => self.imports.insert(alias.unwrap_or(path).to_owned(), format!("{module}.{path}")),
                (None, Some(alias)) => self.imports.insert(alias.to_owned(), path.to_owned()),
                // `import a.b` binds `a`, which stands for itself.
                (None, None) => {
                    let first = path.split('.').next().unwrap_or(path);
                    self.imports.insert(first.to_owned(), first.to_owned())
                }
            };
        }
    }

    fn script_import(&mut self, node: Node<'a>) {
        let Some(source) = node.child_by_field_name("source") else { return };
        let module = module(self.text(source));
        let mut cursor = node.walk();
        let Some(clause) = node.named_children(&mut cursor).find(|child| child.kind() == "import_clause") else {
            return;
        };
        let mut cursor = clause.walk();
        for part in clause.named_children(&mut cursor).collect::<Vec<_>>() {
            match part.kind() {
                "identifier" => {
                    self.imports.insert(self.text(part).to_owned(), module.clone());
                }
                "namespace_import" => {
                    if let Some(name) = part.named_child(0) {
                        self.imports.insert(self.text(name).to_owned(), module.clone());
                    }
                }
                _ => {
                    let mut cursor = part.walk();
                    for specifier in part.named_children(&mut cursor).collect::<Vec<_>>() {
                        let Some(name) = specifier.child_by_field_name("name") else { continue };
                        let alias = specifier.child_by_field_name("alias").unwrap_or(name);
                        self.imports.insert(self.text(alias).to_owned(), format!("{module}.{}", self.text(name)));
                    }
                }
            }
        }
    }

    fn script_require(&mut self, node: Node<'a>) {
        let (Some(name), Some(value)) = (node.child_by_field_name("name"), node.child_by_field_name("value")) else {
            return;
        };
        let Some((path, true)) = self.path(value) else { return };
        if name.kind() == "identifier" {
            self.imports.insert(self.text(name).to_owned(), path);
            return;
        }
        let mut cursor = name.walk();
        for member in name.named_children(&mut cursor).collect::<Vec<_>>() {
            let key = member.child_by_field_name("key").unwrap_or(member);
            let local = member.child_by_field_name("value").unwrap_or(member);
            self.imports.insert(self.text(local).to_owned(), format!("{path}.{}", self.text(key)));
        }
    }
}

/// The name of a module in a script, without quotes and the scheme of Node's own.
fn module(text: &str) -> String {
    let text = text.trim_matches(['"', '\'', '`']);
    text.strip_prefix("node:").unwrap_or(text).to_owned()
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}
