//! Characters written as escapes: `%69`, `\x69`, `\u0069`, `&#105;`, `&#x69;`.

/// The token with its escapes undone, when it has enough of them and they are text.
pub(super) fn decoded(token: &str) -> Option<String> {
    if !token.contains(['%', '\\', '&']) {
        return None;
    }
    let mut out: Vec<u8> = Vec::new();
    let mut count = 0;
    let mut rest = token;
    while let Some(first) = rest.chars().next() {
        let width = match escape(rest) {
            Some((width, Escaped::Byte(byte))) => {
                out.push(byte);
                count += 1;
                width
            }
            Some((width, Escaped::Character(c))) => {
                out.extend(c.encode_utf8(&mut [0; 4]).bytes());
                count += 1;
                width
            }
            None => {
                out.extend(rest.get(..first.len_utf8())?.bytes());
                first.len_utf8()
            }
        };
        rest = rest.get(width..)?;
    }
    (count >= MIN_ESCAPES).then(|| String::from_utf8(out).ok()).flatten()
}

enum Escaped {
    Byte(u8),
    Character(char),
}

/// The escape at the beginning of the text, and its length.
fn escape(text: &str) -> Option<(usize, Escaped)> {
    let byte = |from: usize| u8::from_str_radix(text.get(from..from + 2)?, 16).ok();
    match text.as_bytes() {
        [b'%', ..] => Some((3, Escaped::Byte(byte(1)?))),
        [b'\\', b'x', ..] => Some((4, Escaped::Byte(byte(2)?))),
        [b'\\', b'u', ..] => {
            let code = u32::from_str_radix(text.get(2..6)?, 16).ok()?;
            Some((6, Escaped::Character(char::from_u32(code)?)))
        }
        [b'&', b'#', ..] => {
            // The longest is `&#x10FFFF;`, leading zeros aside.
            let end = text.bytes().take(12).position(|byte| byte == b';')?;
            let number = text.get(2..end)?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            Some((end + 1, Escaped::Character(char::from_u32(code.ok()?)?)))
        }
        _ => None,
    }
}

/// A link has one or two escapes without hiding anything.
const MIN_ESCAPES: usize = 3;
