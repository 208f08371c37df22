//! PHP in a page: what stands outside `<?php … ?>` is text, and PHP's parser reads a program.

use std::ops::Range;

/// The program of a page, with blanks where the page's own text stood, so that every place stays where it was; nothing when
/// the source has no such marks and is a program as it is.
pub(crate) fn without_page(source: &str) -> Option<String> {
    let mut bytes = source.contains("<?").then(|| source.as_bytes().to_vec())?;
    let find = |from: usize, mark: &str| source.get(from..).and_then(|rest| rest.find(mark)).map(|found| from + found);
    let mut at = 0;
    while let Some(open) = find(at, "<?") {
        let after = source.get(open + 2..).unwrap_or_default();
        let start = if after.starts_with("php") || after.starts_with("PHP") { open + 5 } else { open + 2 };
        blank(&mut bytes, at..start);
        if after.starts_with('=') {
            // `<?= x ?>` is `echo x`, and the word takes the blank behind the mark or the letter before it.
            blank(&mut bytes, start..start + 1);
            let word = if after.starts_with("= ") { open..open + 4 } else { open.saturating_sub(1)..open + 3 };
            if let Some(room) =
                bytes.get_mut(word).filter(|room| room.iter().all(|byte| *byte == b' ') && room.len() == 4)
            {
                room.copy_from_slice(b"echo");
            }
        }
        let Some(close) = find(start, "?>") else { return String::from_utf8(bytes).ok() };
        if let Some(end) = bytes.get_mut(close..close + 2) {
            end.copy_from_slice(b"; ");
        }
        at = close + 2;
    }
    blank(&mut bytes, at..source.len());
    String::from_utf8(bytes).ok()
}

fn blank(bytes: &mut [u8], range: Range<usize>) {
    for byte in bytes.get_mut(range).into_iter().flatten() {
        if !matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_page_is_blank() {
        for (page, program) in [
            ("é\n<?php f(); ?>\nx<?= $a ?>", "  \n      f(); ; \n echo$a ; "),
            ("<b><?=$a?></b>", "  echo$a;     "),
            ("<?php\nf(1", "     \nf(1"),
            ("<? f();", "   f();"),
        ] {
            assert_eq!(without_page(page).unwrap(), program);
        }
        assert_eq!(without_page("f($a)"), None);
    }
}
