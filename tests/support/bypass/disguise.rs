//! Disguises: the same text in another form.

/// `text` in the form named `name`.
///
/// # Panics
/// There is no such form.
pub fn disguise(name: &str, text: &str) -> String {
    let each = |change: &dyn Fn(char) -> String| text.chars().map(change).collect::<String>();
    let offset = |c: char, first: char, base: u32| char::from_u32(c as u32 - first as u32 + base).unwrap().to_string();
    match name {
        "base64" => base64(text.as_bytes()),
        "hex" => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        "percent" => text.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        "html" => each(&|c| format!("&#{};", c as u32)),
        "backslash" | "json-escapes" => each(&|c| format!("\\u{:04x}", c as u32)),
        "full-width" => each(&|c| match c {
            '!'..='~' => offset(c, '!', 0xFF01),
            other => other.to_string(),
        }),
        "bar" => text.replace('|', "｜"),
        "zero-width" => each(&|c| format!("{c}\u{200B}")),
        "soft-hyphen" => each(&|c| format!("{c}\u{AD}")),
        "tags" => each(&|c| offset(c, '\0', 0xE0000)),
        "homoglyphs" => each(&|c| {
            let twin = match c {
                'a' => 'а',
                'e' => 'е',
                'o' => 'о',
                'p' => 'р',
                'i' => 'і',
                's' => 'ѕ',
                other => other,
            };
            twin.to_string()
        }),
        "combining" => each(&|c| if c.is_alphabetic() { format!("{c}\u{336}\u{334}") } else { c.to_string() }),
        "mathematical" => each(&|c| match c {
            'a'..='z' => offset(c, 'a', 0x1D41A),
            'A'..='Z' => offset(c, 'A', 0x1D400),
            other => other.to_string(),
        }),
        "upper" => text.to_uppercase(),
        "rot13" => each(&|c| match c {
            'a'..='z' => char::from((c as u8 - b'a' + 13) % 26 + b'a').to_string(),
            'A'..='Z' => char::from((c as u8 - b'A' + 13) % 26 + b'A').to_string(),
            other => other.to_string(),
        }),
        "reversed" => text.chars().rev().collect(),
        "leet" => each(&|c| {
            let twin = match c {
                'a' => '4',
                'e' => '3',
                'i' => '1',
                'o' => '0',
                's' => '5',
                't' => '7',
                other => other,
            };
            twin.to_string()
        }),
        "spaced" => text.chars().map(|c| c.to_string()).collect::<Vec<_>>().join(" "),
        "morse" => text.chars().map(morse).collect::<Vec<_>>().join(" "),
        "rest" => text.split_once(' ').map_or(text, |(_, rest)| rest).to_owned(),
        "indented" => lines(text, "    "),
        "quoted" => lines(text, "> "),
        "listed" => lines(text, "   "),
        "diff" => lines(text, "+"),
        "crlf" => text.replace('\n', "\r\n"),
        "json" => {
            let quoted = serde_json::to_string(text).unwrap();
            quoted[1..quoted.len() - 1].to_owned()
        }
        other => panic!("there is no disguise `{other}`"),
    }
}

fn lines(text: &str, before: &str) -> String {
    text.lines().map(|line| format!("{before}{line}\n")).collect()
}

/// Bytes in base64.
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |index: u32| char::from(LETTERS[(index & 63) as usize]);
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let three = byte(0) << 16 | byte(1) << 8 | byte(2);
        out.extend([letter(three >> 18), letter(three >> 12)]);
        out.push(if chunk.len() > 1 { letter(three >> 6) } else { '=' });
        out.push(if chunk.len() > 2 { letter(three) } else { '=' });
    }
    out
}

fn morse(c: char) -> &'static str {
    const CODE: [&str; 26] = [
        ".-", "-...", "-.-.", "-..", ".", "..-.", "--.", "....", "..", ".---", "-.-", ".-..", "--", "-.", "---",
        ".--.", "--.-", ".-.", "...", "-", "..-", "...-", ".--", "-..-", "-.--", "--..",
    ];
    match c.to_ascii_lowercase() {
        letter @ 'a'..='z' => CODE[(letter as u8 - b'a') as usize],
        _ => "/",
    }
}

#[cfg(test)]
mod tests {
    use super::disguise;

    #[test]
    fn forms_are_what_they_are_called() {
        assert_eq!(disguise("base64", "hello"), "aGVsbG8=");
        assert_eq!(disguise("rot13", "Hello"), "Uryyb");
        assert_eq!(disguise("full-width", "a!"), "ａ！");
        assert_eq!(disguise("morse", "so"), "... ---");
    }
}
