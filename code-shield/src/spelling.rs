//! Names as the interpreter reads them: Python takes `ｅｖａｌ` and `𝐞𝐯𝐚𝐥` for `eval`.

use unicode_normalization::UnicodeNormalization as _;

use crate::view::{View, Writer};

/// A source whose letters are the ones that the interpreter compares, or nothing when they are that already.
///
/// Only what becomes letters, digits and `_` is changed, so no quote and no operator appears.
pub(crate) fn spelled(view: &View<'_>) -> Option<View<'static>> {
    let text = view.text();
    if text.is_ascii() || !text.chars().any(|character| plain(character).is_some()) {
        return None;
    }
    let mut writer = Writer::of(view);
    let mut kept = 0;
    for (at, character) in text.char_indices() {
        if let Some(letters) = plain(character) {
            writer.keep(kept..at);
            kept = at + character.len_utf8();
            writer.put(&letters, &(at..kept));
        }
    }
    writer.keep(kept..text.len());
    Some(writer.finish())
}

/// The letters of ASCII that a character stands for.
fn plain(character: char) -> Option<String> {
    if character.is_ascii() {
        return None;
    }
    let letters: String = std::iter::once(character).nfkc().collect();
    (!letters.is_empty() && letters.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_'))
        .then_some(letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_become_plain_and_keep_their_place() {
        let text = "é = ｅ𝐯ﬁ＿(x) ＋ ＂";
        let view = View::whole(text).unwrap();
        let spelled = spelled(&view).unwrap();
        assert_eq!(spelled.text(), "é = evfi_(x) ＋ ＂");
        let at = spelled.text().find("evfi_").unwrap();
        assert_eq!(&text[spelled.span(&(at..at + 5))], "ｅ𝐯ﬁ＿");
        assert!(super::spelled(&View::whole("é ＂").unwrap()).is_none());
    }
}
