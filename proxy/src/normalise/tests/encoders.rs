//! The transforms, written from what they are; what they keep of a text, and what they make of it.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

/// What a transform carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Carries {
    /// Any text.
    Anything,
    /// Any ASCII.
    Ascii,
    /// Letters without their case, and figures; a few signs.
    Figures,
    /// Letters without their case.
    Letters,
    /// Words of a language: it is told by them.
    Words,
}

/// What a transform makes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Makes {
    /// Letters and spaces, as many as there were.
    Letters,
    /// ASCII in which case does not matter.
    Figures,
    /// ASCII.
    Ascii,
    /// Characters beyond ASCII.
    Unicode,
}

pub(super) struct Transform {
    pub(super) name: &'static str,
    pub(super) carries: Carries,
    pub(super) makes: Makes,
    pub(super) apply: fn(&str) -> String,
}

impl Transform {
    /// Whether what `inner` makes survives.
    pub(super) fn fits(&self, inner: &Transform) -> bool {
        match self.carries {
            Carries::Anything => true,
            Carries::Ascii => inner.makes != Makes::Unicode,
            Carries::Figures => matches!(inner.makes, Makes::Figures | Makes::Letters),
            Carries::Letters => inner.makes == Makes::Letters,
            Carries::Words => false,
        }
    }
}

pub(super) const ALL: &[Transform] = &[
    t("base64", Carries::Anything, Makes::Ascii, |text| BASE64_STANDARD.encode(text)),
    t("base64 without padding", Carries::Anything, Makes::Ascii, |text| BASE64_STANDARD_NO_PAD.encode(text)),
    t("base64 of addresses", Carries::Anything, Makes::Ascii, |text| BASE64_URL_SAFE_NO_PAD.encode(text)),
    t("wrapped base64", Carries::Anything, Makes::Ascii, |text| wrapped(&BASE64_STANDARD.encode(text), 60)),
    t("base64 twice", Carries::Anything, Makes::Ascii, |text| BASE64_STANDARD.encode(BASE64_STANDARD.encode(text))),
    t("base64 of 16 bits", Carries::Ascii, Makes::Ascii, utf16),
    t("base32", Carries::Anything, Makes::Figures, |text| base32(text.as_bytes())),
    t("base16", Carries::Anything, Makes::Figures, |text| list(text, "", |byte| format!("{byte:02X}"))),
    t("base58", Carries::Anything, Makes::Ascii, |text| base58(text.as_bytes())),
    t("ascii85", Carries::Anything, Makes::Ascii, |text| base85(text.as_bytes(), |digit| digit + b'!')),
    t("ascii85 of adobe", Carries::Anything, Makes::Ascii, |text| {
        format!("<~{}~>", base85(text.as_bytes(), |digit| digit + b'!'))
    }),
    t("base85", Carries::Anything, Makes::Ascii, |text| {
        base85(text.as_bytes(), |digit| {
            b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"[usize::from(digit)]
        })
    }),
    t("uuencode", Carries::Anything, Makes::Ascii, uuencode),
    t("quoted-printable", Carries::Anything, Makes::Figures, |text| list(text, "", |byte| format!("={byte:02X}"))),
    t("encoded word, base64", Carries::Anything, Makes::Ascii, |text| {
        format!("=?utf-8?B?{}?=", BASE64_STANDARD.encode(text))
    }),
    t("encoded word, quoted", Carries::Anything, Makes::Ascii, |text| {
        format!(
            "=?UTF-8?Q?{}?=",
            list(text, "", |byte| match byte {
                b' ' => "_".to_owned(),
                byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                byte => format!("={byte:02X}"),
            })
        )
    }),
    t("hexadecimal", Carries::Anything, Makes::Figures, |text| list(text, "", |byte| format!("{byte:02x}"))),
    t("hexadecimal, spaces", Carries::Anything, Makes::Figures, |text| list(text, " ", |byte| format!("{byte:02x}"))),
    t("hexadecimal, colons", Carries::Anything, Makes::Figures, |text| list(text, ":", |byte| format!("{byte:02x}"))),
    t("hexadecimal, 0x", Carries::Anything, Makes::Figures, |text| list(text, ", ", |byte| format!("0x{byte:02x}"))),
    t("hexadecimal, \\x", Carries::Anything, Makes::Ascii, |text| list(text, "", |byte| format!("\\x{byte:02x}"))),
    t("binary", Carries::Anything, Makes::Figures, |text| list(text, " ", |byte| format!("{byte:08b}"))),
    t("binary, one run", Carries::Anything, Makes::Figures, |text| list(text, "", |byte| format!("{byte:08b}"))),
    t("binary of 16", Carries::Anything, Makes::Figures, |text| list(text, " ", |byte| format!("{byte:016b}"))),
    t("octal", Carries::Anything, Makes::Figures, |text| list(text, " ", |byte| format!("{byte:03o}"))),
    t("octal escapes", Carries::Anything, Makes::Ascii, |text| list(text, "", |byte| format!("\\{byte:03o}"))),
    t("decimal", Carries::Anything, Makes::Figures, |text| list(text, " ", |byte| byte.to_string())),
    t("decimal in brackets", Carries::Anything, Makes::Ascii, |text| {
        format!("[{}]", list(text, ", ", |byte| byte.to_string()))
    }),
    t("places in the alphabet", Carries::Letters, Makes::Figures, |text| {
        words(text, " / ", |word| {
            each(&lettered_only(word), "-", |c| (u32::from(c.to_ascii_lowercase()) - 96).to_string())
        })
    }),
    t("percent", Carries::Anything, Makes::Ascii, |text| list(text, "", |byte| format!("%{byte:02X}"))),
    t("percent twice", Carries::Anything, Makes::Ascii, |text| list(text, "", |byte| format!("%25{byte:02X}"))),
    t("percent for spaces", Carries::Anything, Makes::Ascii, |text| {
        list(
            text,
            "",
            |byte| {
                if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
            },
        )
    }),
    t("unicode escapes", Carries::Anything, Makes::Ascii, |text| {
        text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat()
    }),
    t("unicode escapes, braces", Carries::Anything, Makes::Ascii, |text| {
        each(text, "", |c| format!("\\u{{{:x}}}", u32::from(c)))
    }),
    t("code points", Carries::Anything, Makes::Figures, |text| each(text, " ", |c| format!("U+{:04X}", u32::from(c)))),
    t("decimal entities", Carries::Anything, Makes::Ascii, |text| each(text, "", |c| format!("&#{};", u32::from(c)))),
    t("hexadecimal entities", Carries::Anything, Makes::Ascii, |text| {
        each(text, "", |c| format!("&#x{:x};", u32::from(c)))
    }),
    t("punycode of look-alikes", Carries::Words, Makes::Ascii, |text| {
        words(&cyrillic(text), " ", |word| punycode(word.trim_end_matches(['.', ',', '?'])))
    }),
    t("rot13", Carries::Anything, Makes::Letters, |text| shifted(text, 13)),
    t("shift by 3", Carries::Anything, Makes::Letters, |text| shifted(text, 3)),
    t("shift by 20", Carries::Anything, Makes::Letters, |text| shifted(text, 20)),
    t("atbash", Carries::Anything, Makes::Letters, |text| {
        mapped(text, |c| match c {
            'a'..='z' => char::from(b'z' - (c as u8 - b'a')),
            'A'..='Z' => char::from(b'Z' - (c as u8 - b'A')),
            c => c,
        })
    }),
    t("rot47", Carries::Anything, Makes::Ascii, |text| {
        mapped(text, |c| match c {
            '!'..='~' => char::from((c as u8 - b'!' + 47) % 94 + b'!'),
            c => c,
        })
    }),
    t("morse", Carries::Figures, Makes::Figures, |text| words(text, " / ", |word| each(word, " ", morse))),
    t("morse, lines", Carries::Letters, Makes::Figures, |text| words(text, "\n", |word| each(word, " ", morse))),
    t("spelling alphabet", Carries::Letters, Makes::Letters, |text| {
        words(text, "\n", |word| each(&lettered_only(word), " ", nato))
    }),
    t("spelling alphabet, strokes", Carries::Letters, Makes::Letters, |text| {
        words(text, " / ", |word| each(&lettered_only(word), " ", nato))
    }),
    t("braille", Carries::Letters, Makes::Unicode, |text| mapped(text, braille)),
    t("digits for letters", Carries::Words, Makes::Figures, |text| {
        mapped(text, |c| match c.to_ascii_lowercase() {
            'a' => '4',
            'e' => '3',
            'i' => '1',
            'o' => '0',
            's' => '5',
            't' => '7',
            _ => c,
        })
    }),
    t("signs for letters", Carries::Words, Makes::Ascii, |text| {
        mapped(text, |c| match c.to_ascii_lowercase() {
            'a' => '@',
            'e' => '3',
            'i' => '!',
            'o' => '0',
            's' => '$',
            'l' => '1',
            't' => '+',
            _ => c,
        })
    }),
    t("pig latin", Carries::Words, Makes::Letters, |text| words(text, " ", |word| pig(&lettered_only(word)))),
    t("wild capitals", Carries::Words, Makes::Letters, |text| {
        let wild = |(at, c): (usize, char)| if at % 2 == 0 { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
        text.chars().enumerate().map(wild).collect()
    }),
    t("backwards", Carries::Anything, Makes::Letters, |text| text.chars().rev().collect()),
    t("words backwards", Carries::Words, Makes::Letters, |text| words(text, " ", |word| word.chars().rev().collect())),
    t("words in reverse order", Carries::Words, Makes::Letters, |text| {
        text.split_whitespace().rev().collect::<Vec<_>>().join(" ")
    }),
    t("upside down", Carries::Words, Makes::Unicode, |text| mapped(text, turned).chars().rev().collect()),
    t("spaces", Carries::Ascii, Makes::Ascii, |text| each(text, " ", String::from)),
    t("spaces in words", Carries::Ascii, Makes::Ascii, |text| words(text, "   ", |word| each(word, " ", String::from))),
    t("dots", Carries::Ascii, Makes::Ascii, |text| words(text, " ", |word| each(word, ".", String::from))),
    t("dashes", Carries::Ascii, Makes::Ascii, |text| each(text, "-", String::from)),
    t("underscores", Carries::Ascii, Makes::Ascii, |text| words(text, " ", |word| each(word, "_", String::from))),
    t("stars", Carries::Ascii, Makes::Ascii, |text| words(text, " ", |word| each(word, "*", String::from))),
    t("one character on a line", Carries::Ascii, Makes::Ascii, |text| each(text, "\n", String::from)),
    t("a sign in each word", Carries::Words, Makes::Ascii, |text| {
        words(text, " ", |word| if word.len() < 4 { word.to_owned() } else { format!("{}*{}", &word[..2], &word[2..]) })
    }),
    t("joined strings", Carries::Words, Makes::Ascii, |text| {
        words(
            text,
            " ",
            |word| if word.len() < 4 { word.to_owned() } else { format!("{}\" + \"{}", &word[..2], &word[2..]) },
        )
    }),
    t("zero width", Carries::Anything, Makes::Unicode, |text| each(text, "", |c| format!("{c}\u{200b}\u{2060}"))),
    t("soft hyphens", Carries::Anything, Makes::Unicode, |text| each(text, "", |c| format!("{c}\u{ad}"))),
    t("tags", Carries::Ascii, Makes::Unicode, |text| shift_up(text, 0xe0000)),
    t("tags behind a face", Carries::Ascii, Makes::Unicode, |text| format!("Hello 😀{}", shift_up(text, 0xe0000))),
    t("variation selectors", Carries::Anything, Makes::Unicode, |text| format!("😀{}", selectors(text))),
    t("bits out of sight", Carries::Anything, Makes::Unicode, |text| {
        list(text, "", |byte| format!("{byte:08b}").replace('0', "\u{2062}").replace('1', "\u{2064}"))
    }),
    t("zero width bits", Carries::Anything, Makes::Unicode, |text| {
        let hidden = list(text, "", |byte| format!("{byte:08b}").replace('0', "\u{200b}").replace('1', "\u{200c}"));
        format!("Good morning{hidden}, dear friend")
    }),
    t("bidi controls", Carries::Anything, Makes::Unicode, |text| each(text, "", |c| format!("\u{202d}{c}\u{202c}"))),
    t("bidi override", Carries::Words, Makes::Unicode, |text| {
        format!("\u{202e}{}\u{202c}", text.chars().rev().collect::<String>())
    }),
    t("cyrillic", Carries::Words, Makes::Unicode, cyrillic),
    t("greek", Carries::Words, Makes::Unicode, |text| {
        mapped(text, |c| match c {
            'a' => 'α',
            'e' => 'ε',
            'i' => 'ι',
            'o' => 'ο',
            'v' => 'ν',
            c => c,
        })
    }),
    t("full width", Carries::Ascii, Makes::Unicode, |text| {
        mapped(text, |c| match c {
            '!'..='~' => char::from_u32(u32::from(c) + 0xfee0).unwrap(),
            c => c,
        })
    }),
    t("bold", Carries::Ascii, Makes::Unicode, |text| lettered(text, 0x1d400, 0x1d41a)),
    t("script", Carries::Ascii, Makes::Unicode, |text| lettered(text, 0x1d4d0, 0x1d4ea)),
    t("double struck", Carries::Ascii, Makes::Unicode, |text| lettered(text, 0x1d670, 0x1d68a)),
    t("circled", Carries::Ascii, Makes::Unicode, |text| lettered(text, 0x24b6, 0x24d0)),
    t("in brackets", Carries::Letters, Makes::Unicode, |text| lettered(&text.to_lowercase(), 0x249c, 0x249c)),
    t("squares", Carries::Letters, Makes::Unicode, |text| lettered(text, 0x1f170, 0x1f170)),
    t("dark circles", Carries::Letters, Makes::Unicode, |text| lettered(text, 0x1f150, 0x1f150)),
    t("regional indicators", Carries::Letters, Makes::Unicode, |text| lettered(text, 0x1f1e6, 0x1f1e6)),
    t("regional indicators apart", Carries::Letters, Makes::Unicode, |text| {
        words(text, "   ", |word| each(&lettered(word, 0x1f1e6, 0x1f1e6), " ", String::from))
    }),
    t("small capitals", Carries::Words, Makes::Unicode, |text| looked_up(text, "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘqʀꜱᴛᴜᴠᴡxʏᴢ")),
    t("superscripts", Carries::Words, Makes::Unicode, |text| looked_up(text, "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖqʳˢᵗᵘᵛʷˣʸᶻ")),
    t("pile-ups", Carries::Ascii, Makes::Unicode, |text| {
        each(text, "", |c| format!("{c}\u{300}\u{317}\u{35f}\u{489}"))
    }),
    t("struck out", Carries::Ascii, Makes::Unicode, |text| each(text, "", |c| format!("{c}\u{336}"))),
    t("accents", Carries::Words, Makes::Unicode, |text| {
        each(text, "", |c| if "aeiou".contains(c) { format!("{c}\u{301}") } else { c.to_string() })
    }),
    t("letters with marks", Carries::Words, Makes::Unicode, |text| looked_up(text, "āƀćđēfğĥīĵķłmńōpqŕśţūvŵxŷž")),
    t("colours", Carries::Ascii, Makes::Ascii, |text| each(text, "", |c| format!("\u{1b}[31m{c}\u{1b}[0m"))),
    t("control characters", Carries::Ascii, Makes::Ascii, |text| each(text, "", |c| format!("{c}\u{0}"))),
];

const fn t(name: &'static str, carries: Carries, makes: Makes, apply: fn(&str) -> String) -> Transform {
    Transform { name, carries, makes, apply }
}

fn list(text: &str, separator: &str, f: fn(u8) -> String) -> String {
    text.bytes().map(f).collect::<Vec<_>>().join(separator)
}

fn each(text: &str, separator: &str, f: fn(char) -> String) -> String {
    text.chars().map(f).collect::<Vec<_>>().join(separator)
}

fn words(text: &str, separator: &str, f: fn(&str) -> String) -> String {
    text.split(' ').map(f).collect::<Vec<_>>().join(separator)
}

fn mapped(text: &str, f: fn(char) -> char) -> String {
    text.chars().map(f).collect()
}

fn utf16(text: &str) -> String {
    BASE64_STANDARD.encode(text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>())
}

fn lettered_only(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphabetic).collect()
}

fn wrapped(text: &str, width: usize) -> String {
    text.as_bytes().chunks(width).map(|line| String::from_utf8_lossy(line).into_owned()).collect::<Vec<_>>().join("\n")
}

fn shifted(text: &str, by: u8) -> String {
    let shift = |c: char| match c {
        'a'..='z' => char::from((c as u8 - b'a' + by) % 26 + b'a'),
        'A'..='Z' => char::from((c as u8 - b'A' + by) % 26 + b'A'),
        c => c,
    };
    text.chars().map(shift).collect()
}

fn shift_up(text: &str, by: u32) -> String {
    text.chars().map(|c| char::from_u32(u32::from(c) + by).unwrap()).collect()
}

fn lettered(text: &str, capital: u32, small: u32) -> String {
    let letter = |c: char| match c {
        'A'..='Z' => char::from_u32(capital + u32::from(c) - 65).unwrap(),
        'a'..='z' => char::from_u32(small + u32::from(c) - 97).unwrap(),
        c => c,
    };
    text.chars().map(letter).collect()
}

fn looked_up(text: &str, alphabet: &str) -> String {
    let letter = |c: char| match c.to_ascii_lowercase() {
        lower @ 'a'..='z' => alphabet.chars().nth(usize::from(lower as u8 - b'a')).unwrap(),
        _ => c,
    };
    text.chars().map(letter).collect()
}

fn selectors(text: &str) -> String {
    let selector = |byte: u8| match byte {
        0..16 => char::from_u32(0xfe00 + u32::from(byte)).unwrap(),
        byte => char::from_u32(0xe0100 + u32::from(byte) - 16).unwrap(),
    };
    text.bytes().map(selector).collect()
}

fn cyrillic(text: &str) -> String {
    mapped(text, |c| match c {
        'a' => 'а',
        'c' => 'с',
        'e' => 'е',
        'o' => 'о',
        'p' => 'р',
        'x' => 'х',
        'y' => 'у',
        c => c,
    })
}

fn base32(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(5) {
        let mut group = [0_u8; 8];
        group[3..3 + chunk.len()].copy_from_slice(chunk);
        let value = u64::from_be_bytes(group);
        let digits = (chunk.len() * 8).div_ceil(5);
        for index in 0..8 {
            let digit = (value >> (35 - 5 * index)) as usize & 31;
            out.push(if index < digits { char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[digit]) } else { '=' });
        }
    }
    out
}

fn base58(bytes: &[u8]) -> String {
    let mut digits: Vec<u8> = Vec::new();
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = (carry % 58) as u8;
            carry /= 58;
        }
        while carry > 0 {
            digits.push((carry % 58) as u8);
            carry /= 58;
        }
    }
    let alphabet = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    digits.iter().rev().map(|digit| char::from(alphabet[usize::from(*digit)])).collect()
}

fn base85(bytes: &[u8], digit: fn(u8) -> u8) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(4) {
        let mut group = [0; 4];
        group[..chunk.len()].copy_from_slice(chunk);
        let mut value = u32::from_be_bytes(group);
        let mut digits = [0; 5];
        for place in digits.iter_mut().rev() {
            *place = digit((value % 85) as u8);
            value /= 85;
        }
        out.extend(digits.iter().take(chunk.len() + 1).map(|byte| char::from(*byte)));
    }
    out
}

fn uuencode(text: &str) -> String {
    let digit = |value: u32| char::from(if value == 0 { b'`' } else { 32 + value as u8 });
    let line = |bytes: &[u8]| {
        let mut line = String::from(digit(bytes.len() as u32));
        for chunk in bytes.chunks(3) {
            let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
            let value = byte(0) << 16 | byte(1) << 8 | byte(2);
            line.extend([18, 12, 6, 0].map(|shift| digit(value >> shift & 63)));
        }
        line
    };
    text.as_bytes().chunks(45).map(line).collect::<Vec<_>>().join("\n")
}

fn morse(c: char) -> String {
    let code = match c.to_ascii_lowercase() {
        letter @ 'a'..='z' => [
            ".-", "-...", "-.-.", "-..", ".", "..-.", "--.", "....", "..", ".---", "-.-", ".-..", "--", "-.", "---",
            ".--.", "--.-", ".-.", "...", "-", "..-", "...-", ".--", "-..-", "-.--", "--..",
        ][usize::from(letter as u8 - b'a')],
        figure @ '0'..='9' => {
            ["-----", ".----", "..---", "...--", "....-", ".....", "-....", "--...", "---..", "----."]
                [usize::from(figure as u8 - b'0')]
        }
        '.' => ".-.-.-",
        ',' => "--..--",
        '?' => "..--..",
        ':' => "---...",
        '-' => "-....-",
        '/' => "-..-.",
        '=' => "-...-",
        '"' => ".-..-.",
        '\'' => ".----.",
        '(' | '[' | '{' => "-.--.",
        ')' | ']' | '}' => "-.--.-",
        '&' => ".-...",
        ';' => "-.-.-.",
        '+' => ".-.-.",
        '_' => "..--.-",
        _ => "",
    };
    code.to_owned()
}

fn nato(c: char) -> String {
    let word = match c.to_ascii_lowercase() {
        letter @ 'a'..='z' => [
            "Alfa", "Bravo", "Charlie", "Delta", "Echo", "Foxtrot", "Golf", "Hotel", "India", "Juliett", "Kilo",
            "Lima", "Mike", "November", "Oscar", "Papa", "Quebec", "Romeo", "Sierra", "Tango", "Uniform", "Victor",
            "Whiskey", "X-ray", "Yankee", "Zulu",
        ][usize::from(letter as u8 - b'a')],
        _ => "",
    };
    word.to_owned()
}

fn braille(c: char) -> char {
    let letters = "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵";
    match c.to_ascii_lowercase() {
        letter @ 'a'..='z' => letters.chars().nth(usize::from(letter as u8 - b'a')).unwrap(),
        _ => c,
    }
}

fn turned(c: char) -> char {
    let letters = "ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍxʎz";
    match c.to_ascii_lowercase() {
        letter @ 'a'..='z' => letters.chars().nth(usize::from(letter as u8 - b'a')).unwrap(),
        _ => c,
    }
}

fn pig(word: &str) -> String {
    let vowel = word.find(|c: char| "aeiouAEIOU".contains(c)).unwrap_or(0);
    if vowel == 0 { format!("{word}way") } else { format!("{}{}ay", &word[vowel..], &word[..vowel]) }
}

/// A label as RFC 3492 has it.
fn punycode(label: &str) -> String {
    if label.is_ascii() {
        return label.to_owned();
    }
    let mut out: String = label.chars().filter(char::is_ascii).collect();
    let basic = out.len() as u32;
    if basic > 0 {
        out.push('-');
    }
    let (mut code, mut delta, mut bias, mut done) = (128_u32, 0_u32, 72_u32, basic);
    while (done as usize) < label.chars().count() {
        let next = label.chars().map(u32::from).filter(|c| *c >= code).min().unwrap();
        delta += (next - code) * (done + 1);
        code = next;
        for c in label.chars().map(u32::from) {
            delta += u32::from(c < code);
            if c != code {
                continue;
            }
            let (mut rest, mut at) = (delta, 36);
            loop {
                let threshold = if at <= bias {
                    1
                } else if at >= bias + 26 {
                    26
                } else {
                    at - bias
                };
                let digit = if rest < threshold { rest } else { threshold + (rest - threshold) % (36 - threshold) };
                out.push(char::from(if digit < 26 { b'a' + digit as u8 } else { b'0' + (digit - 26) as u8 }));
                if rest < threshold {
                    break;
                }
                rest = (rest - threshold) / (36 - threshold);
                at += 36;
            }
            let mut step = if done == basic { delta / 700 } else { delta / 2 };
            step += step / (done + 1);
            bias = 0;
            while step > 455 {
                step /= 35;
                bias += 36;
            }
            bias += 36 * step / (step + 38);
            delta = 0;
            done += 1;
        }
        delta += 1;
        code += 1;
    }
    format!("xn--{out}")
}
