//! What must hold for any bytes whatever. Each function takes bytes a stranger could send and panics when a promise is
//! broken. Used by the coverage-guided targets here and, with seeded mutations, by `proxy/tests/fuzz.rs`.

use ringfence::{
    dialect::{ANSWERS, Bounds, FieldPolicy, VECTORS},
    json, lines, normalise,
    segment::{Kind, Part, fence_at, next_cut},
    sse,
};
use serde_json::Value;

/// A promise, by name.
pub(crate) type Oracle = (&'static str, fn(&[u8]));

/// Every promise.
pub(crate) const ORACLES: &[Oracle] = &[
    ("json", strict_json),
    ("sse", events),
    ("lines", line_by_line),
    ("requests", requests),
    ("listeners", listeners),
    ("cuts", cuts),
    ("views", views),
];

/// What the strict reader takes, a usual reader takes for the same value; written again, it is read as the same value; and
/// no object in it has two keys that fold to one.
pub(crate) fn strict_json(data: &[u8]) {
    let Ok(value) = json::parse(data) else { return };
    let usual: Value = serde_json::from_slice(data).expect("what we read, others read");
    assert_eq!(usual, value);
    assert_eq!(json::parse(value.to_string().as_bytes()).as_ref(), Ok(&value));
    let text = String::from_utf8(data.to_vec()).expect("what we read is UTF-8");
    let _ = json::hidden(&text);
}

/// However a stream of events is split, the same events are read.
pub(crate) fn events(data: &[u8]) {
    let read = |pieces: &[&[u8]]| {
        let (mut reader, mut events) = (sse::Reader::default(), Vec::new());
        let end = pieces.iter().try_for_each(|piece| reader.push(piece, &mut events));
        (events, end.is_err(), end.is_ok() && reader.is_amid_event())
    };
    let whole = read(&[data]);
    let split = data.first().map_or(0, |byte| usize::from(*byte) % (data.len() + 1));
    let (head, tail) = data.split_at(split);
    assert_eq!(read(&[head, tail]), whole);
    let bytes: Vec<&[u8]> = data.chunks(1).collect();
    assert_eq!(read(&bytes), whole);
}

/// The same for lines.
pub(crate) fn line_by_line(data: &[u8]) {
    let read = |size: usize| {
        let (mut reader, mut all) = (lines::Reader::default(), Vec::new());
        let end = data.chunks(size).try_for_each(|piece| reader.push(piece, &mut all));
        (all, end.is_err())
    };
    assert_eq!(read(1), read(data.len().max(1)));
}

/// In no format is a string forwarded that is not a part, unless it is one of the format's own words.
pub(crate) fn requests(data: &[u8]) {
    let bounds = Bounds { fields: FieldPolicy::Scan, choices: 8, parts: 10_000 };
    let answers = ANSWERS.iter().map(|dialect| dialect.read(data, &bounds));
    let vectors = VECTORS.iter().map(|dialect| dialect.read(data, &bounds));
    for reading in answers.chain(vectors).flatten() {
        let parts: Vec<&str> = reading.request.parts().iter().map(Part::text).collect();
        let mut strings = Vec::new();
        collect(reading.request.body(), &mut strings);
        for (name, text) in strings {
            let own = matches!(name, "role" | "type" | "encoding_format");
            assert!(own || parts.contains(&text), "`{name}`: `{text}` is forwarded unread");
        }
    }
    for dialect in ANSWERS {
        if let Ok(reading) = dialect.read(data, &bounds) {
            let _ = dialect.to_chat(reading.request.body());
        }
    }
}

fn collect<'a>(value: &'a Value, strings: &mut Vec<(&'a str, &'a str)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, strings)),
        Value::Object(fields) => {
            for (name, value) in fields {
                if let Value::String(text) = value {
                    strings.push((name, text));
                } else if let Value::Array(items) = value {
                    strings.extend(items.iter().filter_map(Value::as_str).map(|text| (name.as_str(), text)));
                }
                collect(value, strings);
            }
        }
        _ => {}
    }
}

/// An upstream may say anything.
pub(crate) fn listeners(data: &[u8]) {
    for dialect in ANSWERS {
        let Some(wire) = dialect.wire() else { continue };
        let mut listener = wire.reader();
        for document in data.split(|byte| *byte == b'\n') {
            let _ = listener.hear(document);
        }
    }
}

/// Pieces of a text are the text, in order, and what follows never moves a cut.
pub(crate) fn cuts(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let all = |text: &str| {
        let (mut cuts, mut start, mut fence) = (Vec::new(), 0, None);
        while let Some(cut) = next_cut(text, start, fence) {
            assert!(cut > start && text.is_char_boundary(cut));
            cuts.push(cut);
            fence = fence_at(text, start, fence, cut);
            start = cut;
        }
        cuts
    };
    let whole = all(&text);
    let split = data.first().map_or(0, |byte| usize::from(*byte) * text.len() / 255);
    let split = (0..=split.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let head = all(&text[..split]);
    assert_eq!(whole[..head.len()], head[..]);
    let part = Part::piece("content".into(), Kind::Turn, &text.as_ref().into(), 0..split);
    assert_eq!(part.text(), &text[..split]);
}

/// A view points back into its text.
pub(crate) fn views(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for view in normalise::views(&text).views {
        let middle = view.text.len() / 2;
        for range in [0..view.text.len(), 0..middle, middle..view.text.len(), middle..middle] {
            let original = view.to_original(range);
            assert!(text.get(original.clone()).is_some(), "{original:?} of {text:?}");
        }
    }
}
