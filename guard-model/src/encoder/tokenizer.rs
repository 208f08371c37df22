//! Text to pieces: a Unigram tokenizer over the encoder's vocabulary.
//!
//! The text is normalised character by character, white space collapses to one mark before a word, and the most
//! probable way to cut it into pieces is found. Control pieces (`<s>`, `</s>`) are not in the vocabulary that text can
//! reach, so no text can write one.

use super::trie::Trie;
use std::collections::HashMap;

/// The mark that stands for the space before a word.
pub const SPACE: char = '\u{2581}';

/// One piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Row of the embedding table.
    pub id: u32,
    /// Where the piece ends in the normalised text, in bytes.
    pub end: u32,
}

/// A text after normalisation, with its pieces.
#[derive(Debug, Clone, Default)]
pub struct Pieces {
    /// The normalised text, [`SPACE`] in place of spaces.
    pub text: String,
    /// The pieces, which cover the text without gaps.
    pub pieces: Vec<Piece>,
}

impl Pieces {
    /// The normalised text of the pieces `from..to`, empty when the range is out of bounds.
    pub fn slice(&self, from: usize, to: usize) -> &str {
        let end = |count: usize| {
            count.checked_sub(1).and_then(|last| self.pieces.get(last)).map_or(0, |piece| piece.end as usize)
        };
        self.text.get(end(from)..end(to)).unwrap_or_default()
    }
}

/// Cuts text into pieces of a vocabulary.
#[derive(Debug)]
pub struct Tokenizer {
    trie: Trie,
    scores: Vec<f32>,
    unknown: u32,
    unknown_score: f32,
    normalise: HashMap<char, Box<str>>,
}

impl Tokenizer {
    /// Pieces in the order of their ids with their log probabilities; `control` ids can't be reached by text;
    /// `normalise` says what a character is replaced by.
    pub fn new(
        vocabulary: &[String],
        scores: &[f32],
        control: &[u32],
        unknown: u32,
        normalise: HashMap<char, Box<str>>,
    ) -> Self {
        let reachable = |id: u32| !control.contains(&id) && id != unknown;
        let entries = vocabulary.iter().zip(0_u32..).filter(|(_, id)| reachable(*id));
        let least = scores.iter().copied().fold(0.0, f32::min);
        Self {
            trie: Trie::new(entries.map(|(piece, id)| (piece.as_bytes(), id)).collect()),
            scores: scores.to_vec(),
            unknown,
            unknown_score: least - 10.0,
            normalise,
        }
    }

    /// Cuts `text`; time and memory grow linearly with it. An empty text has one piece, the mark.
    pub fn cut(&self, text: &str) -> Pieces {
        let text = self.normalised(text);
        let mut pieces = Vec::with_capacity(text.len() / 4);
        let mut start = 0;
        while start < text.len() {
            let end = block_end(&text, start);
            self.cut_block(text.get(start..end).unwrap_or_default(), start, &mut pieces);
            start = end;
        }
        Pieces { text, pieces }
    }

    /// The best way through one block, which begins at byte `offset` of the text.
    fn cut_block(&self, text: &str, offset: usize, pieces: &mut Vec<Piece>) {
        let bytes = text.as_bytes();
        // best[i]: the best way to reach byte i, as (score, where the last piece starts, its id).
        let mut best: Vec<(f32, u32, u32)> = vec![(f32::NEG_INFINITY, 0, self.unknown); bytes.len() + 1];
        if let Some(start) = best.first_mut() {
            start.0 = 0.0;
        }
        for (at, character) in text.char_indices() {
            let Some((here, ..)) = best.get(at).copied() else { break };
            let mut improve = |length: usize, score: f32, id: u32| {
                if let Some(place) = best.get_mut(at + length)
                    && here + score > place.0
                {
                    *place = (here + score, at as u32, id);
                }
            };
            improve(character.len_utf8(), self.unknown_score, self.unknown);
            for (length, id) in self.trie.prefixes(bytes.get(at..).unwrap_or_default()) {
                improve(length, self.scores.get(id as usize).copied().unwrap_or(self.unknown_score), id);
            }
        }
        let first = pieces.len();
        let mut at = bytes.len();
        while at > 0 {
            let Some((_, start, id)) = best.get(at).copied() else { break };
            pieces.push(Piece { id, end: (offset + at) as u32 });
            at = start as usize;
        }
        pieces.get_mut(first..).unwrap_or_default().reverse();
    }

    fn normalised(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + text.len() / 4 + 3);
        let mut space = true;
        out.push(SPACE);
        let mut push = |character: char| {
            if character == ' ' {
                if !space {
                    out.push(SPACE);
                }
                space = true;
            } else {
                out.push(character);
                space = false;
            }
        };
        for character in text.chars() {
            match self.normalise.get(&character) {
                Some(replacement) => replacement.chars().for_each(&mut push),
                None => push(character),
            }
        }
        out
    }
}

/// Where the block that begins at `start` ends: at the last space within [`BLOCK`] bytes, because no piece reaches
/// over a space; a longer run of letters is cut between two of them.
fn block_end(text: &str, start: usize) -> usize {
    let limit = text.floor_char_boundary(start + BLOCK);
    if limit >= text.len() {
        return text.len();
    }
    match text.get(start..limit).and_then(|block| block.rfind(SPACE)) {
        Some(space) if space > 0 => start + space,
        _ => limit,
    }
}

/// Bytes that are searched at once for the best cut, which bounds the memory of the search.
const BLOCK: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn tokenizer() -> Tokenizer {
        let vocabulary: Vec<String> =
            ["<s>", "<unk>", "\u{2581}", "\u{2581}new", "\u{2581}n", "e", "w", "s", "ews"].map(String::from).into();
        let scores = [0.0, 0.0, -3.0, -4.0, -5.0, -4.0, -4.0, -4.0, -20.0];
        Tokenizer::new(&vocabulary, &scores, &[0], 1, HashMap::from([('\n', " ".into()), ('Ｗ', "w".into())]))
    }

    fn ids(text: &str) -> Vec<u32> {
        tokenizer().cut(text).pieces.iter().map(|piece| piece.id).collect()
    }

    #[test]
    fn the_most_probable_cut_wins() {
        assert_eq!(ids("news"), [3, 7]);
        assert_eq!(ids("new news"), [3, 3, 7]);
    }

    #[test]
    fn white_space_and_wide_letters_are_normalised() {
        assert_eq!(ids("new\n\n  neＷ"), ids("new new"));
    }

    #[test]
    fn a_control_piece_in_the_text_is_plain_text() {
        assert!(!ids("<s>").contains(&0));
        assert!(ids("<s>").contains(&1));
    }

    #[test]
    fn blocks_change_nothing() {
        let words = "new ".repeat(5000);
        assert!(ids(&words).iter().take(5000).all(|id| *id == 3));
        let run = tokenizer().cut(&"é".repeat(5000));
        assert_eq!(run.slice(0, run.pieces.len()), run.text);
    }

    #[test]
    fn pieces_cover_the_text() {
        let cut = tokenizer().cut("news é new");
        assert_eq!(cut.slice(0, cut.pieces.len()), cut.text);
        assert_eq!(cut.slice(0, 1), "\u{2581}new");
    }
}
