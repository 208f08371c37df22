//! Bytes of tokens in, text to show out: whole characters, and nothing of a stop text.

/// The text of one answer, on its way out.
pub(super) struct Text {
    stops: Vec<String>,
    /// The beginning of a character whose other bytes have not come.
    bytes: Vec<u8>,
    /// Text that may still turn out to be the beginning of a stop text.
    held: String,
}

/// What may be shown after a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// This much, and the answer goes on.
    More(String),
    /// This much, and a stop text stood behind it.
    Last(String),
}

impl Text {
    /// No text yet, and the texts it ends before. Empty ones are left out.
    pub(super) fn new(stops: &[String]) -> Text {
        let stops = stops.iter().filter(|stop| !stop.is_empty()).cloned().collect();
        Text { stops, bytes: Vec::new(), held: String::new() }
    }

    /// Takes the bytes of one token.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Shown {
        self.bytes.extend_from_slice(bytes);
        self.decode();
        self.show()
    }

    /// The end of the answer: what was held back is shown, a broken character as U+FFFD.
    pub(super) fn finish(mut self) -> String {
        if !self.bytes.is_empty() {
            self.held.push(char::REPLACEMENT_CHARACTER);
        }
        match self.show() {
            Shown::More(text) => text + &self.held,
            Shown::Last(text) => text,
        }
    }

    /// Moves whole characters from `bytes` to `held`; at most three bytes stay.
    fn decode(&mut self) {
        let mut rest = std::mem::take(&mut self.bytes);
        loop {
            match std::str::from_utf8(&rest) {
                Ok(text) => {
                    self.held.push_str(text);
                    return;
                }
                Err(error) => {
                    let (valid, tail) = rest.split_at(error.valid_up_to());
                    self.held.push_str(&String::from_utf8_lossy(valid));
                    let Some(broken) = error.error_len() else {
                        self.bytes = tail.to_vec();
                        return;
                    };
                    self.held.push(char::REPLACEMENT_CHARACTER);
                    rest = tail.get(broken..).unwrap_or_default().to_vec();
                }
            }
        }
    }

    fn show(&mut self) -> Shown {
        if let Some(stop) = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min() {
            self.held.truncate(stop);
            return Shown::Last(std::mem::take(&mut self.held));
        }
        // The earliest place from which all the rest is the beginning of a stop text.
        let shown = (0..self.held.len())
            .filter_map(|at| self.held.get(at..).map(|rest| (at, rest)))
            .find(|(_, rest)| self.stops.iter().any(|stop| stop.starts_with(rest)))
            .map_or(self.held.len(), |(at, _)| at);
        let held = self.held.split_off(shown);
        Shown::More(std::mem::replace(&mut self.held, held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that was shown for `pieces`, and whether a stop text ended it.
    fn shown(stops: &[&str], pieces: &[&[u8]]) -> (Vec<String>, bool) {
        let stops: Vec<String> = stops.iter().map(ToString::to_string).collect();
        let mut text = Text::new(&stops);
        let mut all = Vec::new();
        for piece in pieces {
            match text.push(piece) {
                Shown::More(more) => all.push(more),
                Shown::Last(last) => {
                    all.push(last);
                    return (all, true);
                }
            }
        }
        all.push(text.finish());
        (all, false)
    }

    #[test]
    fn a_character_is_shown_whole() {
        let snowman = "☃".as_bytes();
        assert_eq!(
            shown(&[], &[b"a", &snowman[..1], &snowman[1..2], &snowman[2..], b"b"]).0,
            ["a", "", "", "☃", "b", ""]
        );
    }

    #[test]
    fn broken_bytes_become_replacement_characters() {
        assert_eq!(shown(&[], &[b"a\xff", b"b", b"\xe2\x98"]).0, ["a\u{fffd}", "b", "", "\u{fffd}"]);
        assert_eq!(shown(&[], &[b"\xe2\x98", b"b"]).0, ["", "\u{fffd}b", ""]);
    }

    #[test]
    fn a_stop_text_never_shows() {
        assert_eq!(
            shown(&["END"], &[b"one E", b"N", b"D two"]),
            (vec!["one ".to_owned(), String::new(), String::new()], true)
        );
    }

    #[test]
    fn what_was_no_stop_text_after_all_is_shown() {
        assert_eq!(shown(&["END"], &[b"one E", b"Nx", b" EN"]).0, ["one ", "ENx", " ", "EN"]);
    }

    #[test]
    fn the_earliest_stop_text_ends_the_answer() {
        assert_eq!(shown(&["three", "two"], &[b"one two three"]), (vec!["one ".to_owned()], true));
    }

    #[test]
    fn an_empty_stop_text_stops_nothing() {
        assert_eq!(shown(&[""], &[b"one"]).0, ["one", ""]);
    }
}
