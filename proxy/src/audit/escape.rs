//! Characters that could deceive a reader are written as escapes.

use std::{
    fmt,
    io::{self, Write},
};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

/// A value as one line of JSON in which no control, direction or invisible character stands for itself.
pub(super) fn json_line<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = Vec::with_capacity(1024);
    value.serialize(&mut Serializer::with_formatter(&mut line, Escaping))?;
    Ok(line)
}

/// A text for a terminal: what deceives is shown as `\u{202e}`, and a line break as itself.
pub fn visible(text: &str) -> Visible<'_> {
    Visible(text)
}

/// A line of JSON for a terminal: inside its strings what deceives becomes an escape, so that its meaning stays.
pub fn visible_json(line: &str) -> String {
    let mut escaped = Vec::with_capacity(line.len());
    // Writing to memory cannot fail.
    let _written = Escaping.write_string_fragment(&mut escaped, line);
    String::from_utf8(escaped).unwrap_or_default()
}

/// See [`visible`].
#[derive(Debug, Clone, Copy)]
pub struct Visible<'a>(&'a str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(|c| c != '\n' && deceives(c)) {
            let (plain, tail) = rest.split_at(at);
            f.write_str(plain)?;
            let mut characters = tail.chars();
            if let Some(character) = characters.next() {
                write!(f, "{}", character.escape_unicode())?;
            }
            rest = characters.as_str();
        }
        f.write_str(rest)
    }
}

/// Whether a character moves the cursor, turns the direction of text, or is not seen at all.
fn deceives(character: char) -> bool {
    matches!(character,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Compact JSON whose strings hold nothing that [`deceives`]; `serde_json` itself escapes up to U+001F.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(deceives) {
            let (plain, tail) = rest.split_at(at);
            CompactFormatter.write_string_fragment(writer, plain)?;
            let mut characters = tail.chars();
            for unit in characters.next().unwrap_or_default().encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = characters.as_str();
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{deceives, json_line, visible};

    #[test]
    fn direction_tag_and_control_characters_are_escaped() {
        let line = json_line(&"a\u{202e}b\u{e0041}c\u{9b}d\u{7f}é\n\0\"").unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), r#""a\u202eb\udb40\udc41c\u009bd\u007fé\n\u0000\"""#);
    }

    #[test]
    fn a_terminal_sees_line_breaks_and_no_other_control() {
        assert_eq!(visible("a\n\u{1b}[2J\u{202e}b\r").to_string(), "a\n\\u{1b}[2J\\u{202e}b\\u{d}");
    }

    #[test]
    fn a_line_somebody_wrote_into_the_log_by_hand_deceives_no_terminal_either() {
        assert_eq!(super::visible_json("{\"a\":\"\u{9b}é\"}"), r#"{"a":"\u009bé"}"#);
    }

    proptest! {
        #[test]
        fn any_text_reads_back_the_same_and_none_of_it_deceives(text in any::<String>()) {
            let line = String::from_utf8(json_line(&text).unwrap()).unwrap();
            prop_assert!(!line.chars().any(deceives));
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }
}
