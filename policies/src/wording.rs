//! How a refusal is told: in which form, and in whose words.

use crate::{
    error::Fault,
    fields::{Shape, Table, field, words},
    reader::Reader,
    yaml::{Node, Value},
};

/// How a refusal is told to a client, as far as a policy says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wording {
    /// As what; the program's own setting if none.
    pub style: Option<Style>,
    /// A text for each language, by its code; the first is for everybody else. The program's own words if there are none.
    pub texts: Vec<(String, String)>,
}

/// As what a refused prompt is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As an error.
    Error,
    /// As an answer that says so.
    Message,
}

/// The longest text, in characters.
const LONGEST: usize = 500;

pub(crate) static WORDING: Table = Table {
    of: "a refusal",
    groups: &[&[
        field("style", Shape::Word(|| words(&STYLES)), "`error`, or `message`: an answer that says so"),
        field(
            "text",
            Shape::Either(&[Shape::Line(LONGEST), Shape::Texts(LONGEST)]),
            "what the client reads: one text, or one for each language, the first for everybody else",
        ),
    ]],
};

/// What `refusal:` takes.
pub(crate) const SHAPE: Shape = Shape::Either(&[Shape::Word(|| words(&STYLES)), Shape::Part(&WORDING)]);

static STYLES: [(&str, Style); 2] = [("error", Style::Error), ("message", Style::Message)];

impl Wording {
    /// Reads `refusal:`; none after a fault.
    pub(crate) fn read(node: Node, reader: &mut Reader<'_>) -> Option<Self> {
        if matches!(node.value, Value::Text(_)) {
            let style = reader.word(&node, "refusal", "a form of refusal", &STYLES)?;
            return Some(Self { style: Some(style), texts: Vec::new() });
        }
        let mut fields = reader.fields(node, &WORDING)?;
        let style = fields.take("style").map(|node| reader.word(&node, "style", "a form of refusal", &STYLES));
        let texts = fields.take("text").map_or_else(Vec::new, |node| texts(node, reader));
        Some(Self {
            style: match style {
                Some(style) => Some(style?),
                None => None,
            },
            texts,
        })
    }

    /// The text for a reader who accepts these languages, written as in the header `accept-language`.
    pub fn text(&self, accepted: &str) -> Option<&str> {
        let mut wanted: Vec<(u16, &str)> = accepted.split(',').take(16).filter_map(wish).collect();
        wanted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let of = |language: &str| self.texts.iter().find(|(known, _)| known.eq_ignore_ascii_case(language));
        let main = |language: &str| of(language).or_else(|| of(language.split('-').next().unwrap_or_default()));
        let found = wanted.iter().filter(|(weight, _)| *weight > 0).find_map(|(_, language)| main(language));
        found.or(self.texts.first()).map(|(_, text)| text.as_str())
    }
}

/// One entry of `accept-language`: its weight in thousandths, and the language.
fn wish(entry: &str) -> Option<(u16, &str)> {
    let (language, weight) = entry.split_once(';').unwrap_or((entry, "q=1"));
    let weight: f32 = weight.trim().strip_prefix("q=")?.parse().ok()?;
    (0.0..=1.0).contains(&weight).then_some(((weight * 1000.0) as u16, language.trim()))
}

fn texts(node: Node, reader: &mut Reader<'_>) -> Vec<(String, String)> {
    let Value::Fields(languages) = node.value else {
        return reader.line(&node, "text", LONGEST).map(|text| ("en".to_owned(), text)).into_iter().collect();
    };
    let mut texts: Vec<(String, String)> = Vec::new();
    for (language, place, text) in languages {
        if reader.is_full() {
            break;
        }
        let is_code = (2..=35).contains(&language.len())
            && language.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && language.split('-').next().is_some_and(|main| main.bytes().all(|byte| byte.is_ascii_lowercase()));
        if !is_code {
            reader.note(place, Fault::Language { found: crate::reader::shown(&language) });
        } else if texts.iter().any(|(known, _)| *known == language) {
            reader.note(place, Fault::Twice { field: language, first: node.place.line });
        } else if let Some(text) = reader.line(&text, "text", LONGEST) {
            texts.push((language, text));
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::Wording;

    #[test]
    fn a_reader_gets_the_text_they_can_read_best() {
        let texts = [("en", "no"), ("de", "nein"), ("pt-BR", "não")];
        let texts = texts.map(|(language, text)| (language.to_owned(), text.to_owned()));
        let wording = Wording { style: None, texts: texts.to_vec() };
        for (accepted, text) in [
            ("", "no"),
            ("fr", "no"),
            ("de-CH, en;q=0.5", "nein"),
            ("en;q=0.2, de;q=0.9", "nein"),
            ("DE", "nein"),
            ("pt-BR", "não"),
            ("de;q=0, fr", "no"),
            ("de;q=nan, ;;;,,", "no"),
        ] {
            assert_eq!(wording.text(accepted), Some(text), "{accepted}");
        }
        assert_eq!(Wording::default().text("en"), None);
    }
}
