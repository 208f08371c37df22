//! From nodes to typed fields, collecting every fault on the way.

use crate::{
    Catalog, Day, FindingId, Share,
    error::{Fault, Place},
    fields::{Need, Table},
    glob::Glob,
    nearest::nearest,
    yaml::{Node, Value},
};

/// Reads nodes, and remembers what was wrong with them.
///
/// Each method answers none after it has noted a fault, so that its caller can go on with the next field.
pub(crate) struct Reader<'a> {
    catalog: &'a Catalog,
    faults: Vec<(Place, Fault)>,
}

impl<'a> Reader<'a> {
    /// The most faults of one file that are noted; whoever has mended a hundred runs the check again.
    const MOST_FAULTS: usize = 100;

    pub(crate) fn new(catalog: &'a Catalog) -> Self {
        Self { catalog, faults: Vec::new() }
    }

    /// All faults in the order of the file.
    pub(crate) fn into_faults(mut self) -> Vec<(Place, Fault)> {
        self.faults.sort_by_key(|(place, _)| *place);
        self.faults
    }

    pub(crate) fn note(&mut self, place: Place, fault: Fault) {
        if !self.is_full() {
            self.faults.push((place, fault));
        }
    }

    /// Whether enough faults are known to stop looking; bounds the work that a hopeless file can cause.
    pub(crate) fn is_full(&self) -> bool {
        self.faults.len() >= Self::MOST_FAULTS
    }

    /// Opens a node that has the fields of a table: none unknown, none twice, none missing that is needed.
    pub(crate) fn fields(&mut self, node: Node, table: &'static Table) -> Option<Fields> {
        let Value::Fields(all) = node.value else {
            self.misshapen(&node, table.of, "fields with values");
            return None;
        };
        let mut fields: Vec<(String, Place, Node)> = Vec::new();
        for (name, place, value) in all {
            if self.is_full() {
                break;
            }
            if let Some((_, first, _)) = fields.iter().find(|(known, ..)| *known == name) {
                let first = first.line;
                self.note(place, Fault::Twice { field: name, first });
            } else if table.fields().any(|field| field.name == name) {
                fields.push((name, place, value));
            } else {
                let known: Vec<&str> = table.fields().map(|field| field.name).collect();
                let hint = hint(nearest(&name, known.iter().copied()), "it has", &known);
                self.note(place, Fault::UnknownField { of: table.of, found: shown(&name), hint });
            }
        }
        for field in table.fields().filter(|field| field.need == Need::Required) {
            if !fields.iter().any(|(name, ..)| name == field.name) {
                self.note(node.place, Fault::Missing { of: table.of, field: field.name });
            }
        }
        Some(Fields { place: node.place, left: fields })
    }

    /// The items of a list.
    pub(crate) fn list(&mut self, node: Node, field: &'static str) -> Vec<Node> {
        if let Value::List(items) = node.value {
            return items;
        }
        self.misshapen(&node, &format!("`{field}`"), "a list");
        Vec::new()
    }

    /// One value, or a list of at least one.
    pub(crate) fn one_or_more<T>(
        &mut self,
        node: &Node,
        field: &'static str,
        mut read: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Vec<T> {
        let Value::List(items) = &node.value else { return read(self, node).into_iter().collect() };
        if items.is_empty() {
            self.note(node.place, Fault::EmptyList { field });
        }
        items.iter().map_while(|item| (!self.is_full()).then(|| read(self, item))).flatten().collect()
    }

    /// A text that says something.
    pub(crate) fn text(&mut self, node: &Node, field: &'static str) -> Option<String> {
        match &node.value {
            Value::Text(text) if !text.trim().is_empty() => Some(text.clone()),
            _ => {
                self.misshapen(node, &format!("`{field}`"), "text");
                None
            }
        }
    }

    /// A short name that fits into a record.
    pub(crate) fn name(&mut self, node: &Node, field: &'static str) -> Option<String> {
        const MOST: usize = 64;
        let text = self.text(node, field)?;
        let is_name = text.len() <= MOST
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        if is_name {
            return Some(text);
        }
        self.note(node.place, Fault::Name { found: shown(&text), most: MOST });
        None
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(
        &mut self,
        node: &Node,
        field: &'static str,
        what: &'static str,
        words: &[(&'static str, T)],
    ) -> Option<T> {
        let text = self.text(node, field)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let hint = hint(nearest(&text, known.iter().copied()), "write", &known);
        self.note(node.place, Fault::UnknownWord { what, found: shown(&text), hint });
        None
    }

    /// The name of a finding that some detector can report, or of a path above one.
    pub(crate) fn finding(&mut self, node: &Node, field: &'static str) -> Option<FindingId> {
        let text = self.text(node, field)?;
        let id = FindingId::parse(&text).ok().filter(|id| self.catalog.contains_prefix(id));
        if id.is_none() {
            let roots: Vec<&str> = self.catalog.roots().collect();
            let hint = hint(self.catalog.nearest(&text), "names begin with", &roots);
            self.note(node.place, Fault::UnknownWord { what: "a known finding", found: shown(&text), hint });
        }
        id
    }

    /// A number from 0 to 1.
    pub(crate) fn score(&mut self, node: &Node, field: &'static str) -> Option<f32> {
        let Value::Number(number) = node.value else {
            self.misshapen(node, &format!("`{field}`"), "a number from 0 to 1");
            return None;
        };
        if (0.0..=1.0).contains(&number) {
            return Some(number as f32);
        }
        self.note(node.place, Fault::Score { found: number.to_string() });
        None
    }

    /// A text that fits on one line.
    pub(crate) fn line(&mut self, node: &Node, field: &'static str, most: usize) -> Option<String> {
        let fits = |text: &str| (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        match &node.value {
            Value::Text(text) if !fits(text) => {
                self.note(node.place, Fault::Line { what: format!("`{field}`"), most });
                None
            }
            _ => self.text(node, field),
        }
    }

    /// A share of all callers.
    pub(crate) fn share(&mut self, node: &Node, field: &'static str) -> Option<Share> {
        let text = match &node.value {
            Value::Number(number) => number.to_string(),
            _ => self.text(node, field)?,
        };
        let share = Share::parse(&text);
        if share.is_none() {
            self.note(node.place, Fault::Share { found: shown(&text) });
        }
        share
    }

    /// A day.
    pub(crate) fn day(&mut self, node: &Node, field: &'static str) -> Option<Day> {
        let text = self.text(node, field)?;
        let day = Day::parse(&text);
        if day.is_none() {
            self.note(node.place, Fault::Day { found: shown(&text) });
        }
        day
    }

    /// The number of a weakness.
    pub(crate) fn weakness(&mut self, node: &Node, field: &'static str) -> Option<u16> {
        let text = match &node.value {
            Value::Number(number) => number.to_string(),
            _ => self.text(node, field)?,
        };
        let digits = text.strip_prefix("CWE-").or_else(|| text.strip_prefix("cwe-")).unwrap_or(&text);
        let number = digits.parse::<u16>().ok().filter(|number| *number > 0 && !digits.starts_with('+'));
        if number.is_none() {
            self.note(node.place, Fault::Weakness { found: shown(&text) });
        }
        number
    }

    /// A pattern for a name.
    pub(crate) fn glob(&mut self, node: &Node, field: &'static str) -> Option<Glob> {
        let text = self.text(node, field)?;
        let glob = Glob::new(&text);
        if glob.is_none() {
            self.note(node.place, Fault::Pattern { field, most: Glob::LONGEST });
        }
        glob
    }

    fn misshapen(&mut self, node: &Node, what: &str, expected: &'static str) {
        self.note(node.place, Fault::Shape { what: what.to_owned(), found: found(&node.value), expected });
    }
}

/// The fields of one node, to be taken by name.
pub(crate) struct Fields {
    place: Place,
    left: Vec<(String, Place, Node)>,
}

impl Fields {
    /// Where the node stands.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Takes a field, if it is there.
    pub(crate) fn take(&mut self, name: &str) -> Option<Node> {
        let at = self.left.iter().position(|(field, ..)| field == name)?;
        Some(self.left.swap_remove(at).2)
    }
}

/// The way out for a word that does not exist.
fn hint(nearest: Option<&str>, lead: &str, known: &[&str]) -> String {
    if let Some(nearest) = nearest {
        return format!("did you mean `{nearest}`?");
    }
    let quoted: Vec<String> = known.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => format!("{lead} {last}"),
        Some((last, others)) => format!("{lead} {} or {last}", others.join(", ")),
        None => "there are none".to_owned(),
    }
}

/// What a value is, in a reader's words.
fn found(value: &Value) -> String {
    match value {
        Value::Empty => "empty".to_owned(),
        Value::Switch(switch) => format!("the switch `{switch}`"),
        Value::Number(number) => format!("the number `{number}`"),
        Value::Text(text) if text.trim().is_empty() => "an empty text".to_owned(),
        Value::Text(text) => format!("the text `{}`", shown(text)),
        Value::List(_) => "a list".to_owned(),
        Value::Fields(_) => "a set of fields".to_owned(),
    }
}

/// A text short and harmless enough for a message on a terminal.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 80;
    let mut shown: String = text.chars().take(MOST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}
