//! YAML text as a tree whose every node knows its place.
//!
//! Read into a tree first, not straight into structs, so that one pass over the tree can report every fault of a file
//! instead of the first, each with its own place and the nearest valid word.

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{
    DuplicateKeyPolicy, Error, MessageFormatter, Spanned, UserMessageFormatter, budget::BudgetBreach,
    options::MergeKeyPolicy,
};

use crate::error::{Fault, Place};

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What YAML can say, as far as a policy needs it.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Empty,
    Switch(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    /// Keys in the order of the file; a key may occur twice.
    Fields(Vec<(String, Place, Node)>),
}

/// Reads one document.
///
/// Anchors, aliases, merge keys and tags are refused: a policy says what it means in the place where it says it.
///
/// # Errors
/// It is not YAML, or larger than a megabyte, or nested deeper than sixteen levels.
pub(crate) fn read(text: &str) -> Result<Node, (Place, Fault)> {
    if text.len() > LARGEST {
        return Err((Place::START, Fault::TooLarge { bytes: text.len(), most: LARGEST }));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: 100_000,
            max_anchors: 0, // and so no alias that has anything to stand for
            max_depth: 16,
            max_documents: 1,
        },
        // Reported with the other faults of the file, by the reader of the fields.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location().map_or(Place::START, Place::of);
        (place, Fault::NotYaml { reason: reason(error.without_snippet()) })
    })
}

/// Why the reader stopped: our words where it met a limit of ours, its own where the text is not YAML.
fn reason(error: &Error) -> String {
    let Error::Budget { breach, .. } = error else {
        return UserMessageFormatter.format_message(error).into_owned();
    };
    match breach {
        BudgetBreach::Anchors { .. } => {
            "anchors and aliases are not followed, write the value where it is meant".to_owned()
        }
        BudgetBreach::Documents { .. } => "a file holds one policy, give the second its own file".to_owned(),
        BudgetBreach::Depth { .. } => "values are nested too deep".to_owned(),
        _ => "it has too many values, split it into several files".to_owned(),
    }
}

/// The largest file, in bytes.
const LARGEST: usize = 1 << 20;

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { place: Place::of(referenced), value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Empty)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Empty)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Switch(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element()? {
            nodes.push(node);
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((key, node)) = map.next_entry::<Node, Node>()? {
            let Value::Text(name) = key.value else {
                return Err(A::Error::custom("a field's name is a word"));
            };
            fields.push((name, key.place, node));
        }
        Ok(Value::Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::{Value, read};
    use crate::error::{Fault, Place};

    #[test]
    fn nodes_and_keys_know_their_places() {
        let node = read("# a comment\na: 1\nb:\n  - x: 0.5\n  - true\n").unwrap();
        let Value::Fields(fields) = node.value else { panic!("fields") };
        assert_eq!(fields[0].1, Place { line: 2, column: 1 });
        assert_eq!(fields[0].2.place, Place { line: 2, column: 4 });
        let Value::List(list) = &fields[1].2.value else { panic!("list") };
        assert_eq!(list[0].place, Place { line: 4, column: 5 });
        let Value::Fields(inner) = &list[0].value else { panic!("fields") };
        assert!(matches!(inner[0].2.value, Value::Number(0.5)));
        assert!(matches!(list[1].value, Value::Switch(true)));
    }

    #[test]
    fn what_is_not_plain_yaml_is_refused_at_its_place() {
        for (bad, line, words) in [
            ("a: [1\n", 1, "unclosed bracket"),
            ("a: *x\n", 1, "reference to unknown value"),
            ("a: &x 1\nb: *x\n", 1, "anchors and aliases are not followed"),
            ("a: 1\n<<: {b: 2}\n", 2, "merge key"),
            ("a: !secret x\n", 1, "unsupported tag `!secret`"),
            ("a: 1\n---\nb: 2\n", 2, "a file holds one policy"),
            ("1: a\n", 1, "a field's name is a word"),
            ("a: b\nc: .nan\n", 2, "not a finite number"),
        ] {
            let (place, fault) = read(bad).unwrap_err();
            assert!(matches!(&fault, Fault::NotYaml { reason } if reason.contains(words)), "{bad:?}: {fault}");
            assert_eq!(place.line, line, "{bad:?}: {fault}");
        }
    }

    #[test]
    fn only_true_and_false_are_switches() {
        let Value::Fields(fields) = read("a: yes\nb: off\nc: false\n").unwrap().value else { panic!("fields") };
        assert!(matches!(&fields[0].2.value, Value::Text(text) if text == "yes"));
        assert!(matches!(&fields[1].2.value, Value::Text(text) if text == "off"));
        assert!(matches!(fields[2].2.value, Value::Switch(false)));
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let (_, fault) = read(&"# a line of comment\n".repeat(60_000)).unwrap_err();
        assert!(matches!(fault, Fault::TooLarge { bytes: 1_200_000, .. }), "{fault}");
        let (_, fault) = read(&format!("{}1", "- ".repeat(17))).unwrap_err();
        assert!(fault.to_string().ends_with("nested too deep"), "{fault}");
        assert!(read(&format!("{}1{}", "[".repeat(17), "]".repeat(17))).is_err());
        assert!(read(&format!("{}1{}", "[".repeat(8), "]".repeat(8))).is_ok());
        let (_, fault) = read(&"- 1\n".repeat(150_000)).unwrap_err();
        assert!(fault.to_string().ends_with("split it into several files"), "{fault}");
    }
}
