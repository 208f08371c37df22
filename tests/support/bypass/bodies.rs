//! Bodies that no serialiser would write.

use serde_json::Value;

/// The objects on the way to where two documents of one shape differ: how many there are.
pub fn levels(benign: &Value, attack: &Value) -> usize {
    match (benign, attack) {
        (Value::Object(fields), Value::Object(_)) => {
            let differing = fields.iter().find(|(name, value)| attack.get(name.as_str()) != Some(value));
            differing.map_or(0, |(name, value)| 1 + levels(value, &attack[name.as_str()]))
        }
        (Value::Array(items), Value::Array(others)) => {
            items.iter().zip(others).find(|(one, other)| one != other).map_or(0, |(one, other)| levels(one, other))
        }
        _ => 0,
    }
}

/// `benign` as text, in which the key that leads to the difference is given twice in the `level`th object on the way:
/// once with the benign value, once with the attack's, the second time as `again` writes it. None if that writes no key.
pub fn doubled(benign: &Value, attack: &Value, level: usize, attack_first: bool, again: &str) -> Option<String> {
    match (benign, attack) {
        (Value::Object(fields), Value::Object(_)) => {
            let mut written = Vec::new();
            let mut met = false;
            for (name, value) in fields {
                let other = &attack[name.as_str()];
                let key = serde_json::to_string(name).unwrap();
                if met || value == other {
                    written.push(format!("{key}:{value}"));
                    continue;
                }
                met = true;
                if level > 0 {
                    written.push(format!("{key}:{}", doubled(value, other, level - 1, attack_first, again)?));
                    continue;
                }
                let (first, second) = if attack_first { (other, value) } else { (value, other) };
                written.push(format!("{key}:{first}"));
                written.push(format!("{}:{second}", rewritten(name, again)?));
            }
            Some(format!("{{{}}}", written.join(",")))
        }
        (Value::Array(items), Value::Array(others)) => {
            let mut met = false;
            let written: Option<Vec<String>> = items
                .iter()
                .zip(others)
                .map(|(one, other)| {
                    let here = !met && one != other;
                    met |= here;
                    if here { doubled(one, other, level, attack_first, again) } else { Some(one.to_string()) }
                })
                .collect();
            Some(format!("[{}]", written?.join(",")))
        }
        _ => Some(attack.to_string()),
    }
}

/// A key as JSON text in another form; none if the form changes nothing.
fn rewritten(key: &str, form: &str) -> Option<String> {
    let escaped = || {
        let first = key.chars().next()?;
        Some(format!("\"\\u{:04x}{}\"", first as u32, &key[first.len_utf8()..]))
    };
    let changed = match form {
        "same" => return Some(format!("\"{key}\"")),
        "escaped" => return escaped(),
        "upper" => key.to_uppercase(),
        "title" => key[..1].to_uppercase() + &key[1..],
        "long-s" => key.replacen('s', "ſ", 1),
        "kelvin" => key.replacen('k', "\u{212A}", 1),
        other => panic!("there is no form `{other}` of a key"),
    };
    (changed != key).then(|| format!("\"{changed}\""))
}

/// Bytes in a text: `{x:ff fe}` stands for these bytes, `{r:70:[}` for so many times a text.
pub fn bytes_of(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        let hex = rest.find("{x:");
        let repeat = rest.find("{r:");
        let Some(at) = [hex, repeat].into_iter().flatten().min() else { break };
        out.extend(rest[..at].bytes());
        let close = at + rest[at..].find('}').expect("`{x:` and `{r:` end in `}`");
        let inner = &rest[at + 3..close];
        if Some(at) == hex {
            out.extend(inner.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()));
        } else {
            let (count, what) = inner.split_once(':').unwrap();
            out.extend(what.repeat(count.parse().unwrap()).bytes());
        }
        rest = &rest[close + 1..];
    }
    out.extend(rest.bytes());
    out
}

/// A gzip file of these bytes, not made any smaller.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut chunks = bytes.chunks(0xffff).peekable();
    while let Some(chunk) = chunks.next() {
        let length = u16::try_from(chunk.len()).unwrap();
        file.push(u8::from(chunks.peek().is_none()));
        file.extend(length.to_le_bytes());
        file.extend((!length).to_le_bytes());
        file.extend(chunk);
    }
    file.extend(crc(bytes).to_le_bytes());
    file.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    file
}

/// A gzip file of `before`, a run of so many times 258 blanks, and `after`: a small one of something large. All text is ASCII.
pub fn bomb(before: &str, runs: usize, after: &str) -> Vec<u8> {
    let mut bits = Bits::default();
    // The last block, with the codes of RFC 1951, 3.2.6: a letter has 8 bits, "258 bytes from 1 byte back" has 8 and 5.
    bits.push(0b011, 3);
    let mut whole: Vec<u8> = before.bytes().chain([b' ']).collect();
    whole.iter().for_each(|byte| bits.push_code(0x30 + u32::from(*byte), 8));
    for _ in 0..runs {
        bits.push_code(0b1100_0101, 8);
        bits.push_code(0, 5);
    }
    after.bytes().for_each(|byte| bits.push_code(0x30 + u32::from(byte), 8));
    bits.push_code(0, 7);
    whole.resize(whole.len() + runs * 258, b' ');
    whole.extend(after.bytes());
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    file.extend(bits.bytes);
    file.extend(crc(&whole).to_le_bytes());
    file.extend(u32::try_from(whole.len()).unwrap().to_le_bytes());
    file
}

/// Bits, the lowest of a byte first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn push(&mut self, bits: u32, count: u32) {
        for at in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= u8::from(bits >> at & 1 == 1) << (self.used % 8);
            self.used += 1;
        }
    }

    /// A code begins with its highest bit.
    fn push_code(&mut self, code: u32, count: u32) {
        (0..count).rev().for_each(|at| self.push(code >> at & 1, 1));
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    let table: Vec<u32> = (0..256).map(|byte| (0..8).fold(byte, |crc, _| step(crc))).collect();
    let mut crc = !0_u32;
    for byte in bytes {
        crc = crc >> 8 ^ table[((crc ^ u32::from(*byte)) & 0xff) as usize];
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::{bytes_of, crc, doubled, levels};
    use serde_json::json;

    #[test]
    fn keys_are_doubled_where_documents_differ() {
        let (benign, attack) =
            (json!({"m": [{"r": "u", "c": "x"}], "n": 1}), json!({"m": [{"r": "u", "c": "y"}], "n": 1}));
        assert_eq!(levels(&benign, &attack), 2);
        let text = doubled(&benign, &attack, 1, true, "same").unwrap();
        assert_eq!(text, r#"{"m":[{"r":"u","c":"y","c":"x"}],"n":1}"#);
        let text = doubled(&benign, &attack, 0, false, "upper").unwrap();
        assert_eq!(text, r#"{"m":[{"r":"u","c":"x"}],"M":[{"r":"u","c":"y"}],"n":1}"#);
    }

    #[test]
    fn bytes_and_checksums() {
        assert_eq!(bytes_of("a{x:ff 00}{r:3:[}"), b"a\xff\x00[[[");
        assert_eq!(crc(b"123456789"), 0xcbf4_3926);
    }
}
