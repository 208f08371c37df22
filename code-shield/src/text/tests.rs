use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn built_in() -> TextRules {
    TextRules::built_in().unwrap()
}

/// The first line whose number is not what its marker says, for every document at once.
#[test]
fn every_document_fires_where_it_says() {
    let mut wrong = Vec::new();
    for (id, markdown) in built_in::DOCUMENTS {
        let rules = TextRules::parse([&(*id, *markdown)]).unwrap();
        for (text, marked) in Document::parse(id, markdown).unwrap().examples {
            let lines = |offset: usize| text[..offset].matches('\n').count();
            let fired: BTreeSet<usize> = rules.scan(&text).iter().map(|issue| lines(issue.span.start)).collect();
            let marked: BTreeSet<usize> = marked.into_iter().collect();
            for line in fired.symmetric_difference(&marked) {
                wrong.push(format!("{id}: `{}`", text.lines().nth(*line).unwrap()));
            }
        }
    }
    assert!(wrong.is_empty(), "these lines fire without a marker, or have one and do not fire:\n{}", wrong.join("\n"));
}

#[test]
fn the_list_is_the_folder() {
    let any = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/any");
    let mut found = BTreeSet::new();
    for folder in std::fs::read_dir(any).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
        for file in std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
            let stem = file.path().file_stem().unwrap().to_string_lossy().into_owned();
            found.insert(format!("{}.{stem}", folder.file_name().to_string_lossy()));
        }
    }
    assert_eq!(built_in().ids().map(str::to_owned).collect::<BTreeSet<_>>(), found);
}

#[test]
fn a_span_is_the_datum_alone() {
    let rules = built_in();
    for (text, id, datum) in [
        ("pay 4111 1111 1111 1111 12/27", "personal.credit-card", "4111 1111 1111 1111"),
        ("to BE68 5390 0754 7034 EUR", "personal.iban", "BE68 5390 0754 7034"),
        ("postgres://app:k3J9xQ2m@db:5432", "secret.url-password", "k3J9xQ2m"),
        ("password = 'k3J9xQ2mV7pL';", "secret.assigned-secret", "k3J9xQ2mV7pL"),
        ("個人番号: 123456789018。", "personal.my-number", "123456789018"),
        ("<jane@example.org>", "personal.email", "jane@example.org"),
        (
            " eyJEXAMPLEEXAMPLE.eyJEXAMPLEEXAMPLE.EXAMPLEEXAMPLE, ",
            "secret.json-web-token",
            "eyJEXAMPLEEXAMPLE.eyJEXAMPLEEXAMPLE.EXAMPLEEXAMPLE",
        ),
    ] {
        let issues = rules.scan(text);
        let issue = issues.iter().find(|issue| issue.id == id).unwrap();
        assert_eq!(&text[issue.span.clone()], datum);
    }
}

#[test]
fn a_key_is_one_span_from_marker_to_marker() {
    let rules = built_in();
    let key =
        format!("-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----", "EXAMPLEexample/+\n".repeat(50));
    let issues = rules.scan(&format!("a {key} b {key} c"));
    let spans: Vec<_> = issues.iter().map(|issue| issue.span.clone()).collect();
    assert_eq!(spans, [2..2 + key.len(), key.len() + 5..2 * key.len() + 5]);
    assert!(issues.iter().all(|issue| issue.id == "secret.private-key" && issue.cwe == Some(321)));

    let cut = format!("a {}", &key[..100]);
    assert_eq!(rules.scan(&cut)[0].span, 2..cut.len(), "an open key goes to the end");
    let endless = format!("{cut}{}", "é".repeat(20_000));
    assert_eq!(rules.scan(&endless)[0].span, 2..2 + MAX_BLOCK, "but no further than the cap");
}

#[test]
fn what_may_become_a_match_is_held() {
    let rules = built_in();
    for (text, held) in [
        ("", None),
        ("Hello, world. ", None),
        ("Hello, world", Some("world")),
        ("the key is AKIAIOSFOD", Some("AKIAIOSFOD")),
        ("mail jane.doe@exam", Some("jane.doe@exam")),
        ("card 4111 1111 1111 ", Some("4111 1111 1111 ")),
        ("password = ", Some("password = ")),
        ("password is what you need.\n", None),
        (
            "x -----BEGIN RSA PRIVATE KEY-----\nEXAMPLEexampleEXAMPLE\n. ",
            Some("-----BEGIN RSA PRIVATE KEY-----\nEXAMPLEexampleEXAMPLE\n. "),
        ),
        ("<|im_sta", Some("<|im_sta")),
        ("これは普通の文です。", None),
    ] {
        assert_eq!(rules.holds(text).map(|cut| &text[cut..]), held, "{text}");
    }
}

#[test]
fn what_can_no_longer_match_is_let_go() {
    let rules = built_in();
    for text in ["a".repeat(20_000), "eyJ".repeat(7_000), "4".repeat(20_000), format!("{}.", "é".repeat(9_000))] {
        let cut = rules.holds(&text).unwrap_or(text.len());
        assert!(text.len() - cut <= MAX_MATCH, "{} of {}", text.len() - cut, text.len());
    }
    let open = format!("-----BEGIN RSA PRIVATE KEY-----\nEXAMPLEexampleEXAMPLE{}", ". ".repeat(MAX_BLOCK / 2));
    assert!(rules.holds(&open).is_none(), "a block at its cap is reported and gone");
}

#[test]
fn a_document_that_is_there_twice_is_refused() {
    let one = built_in::DOCUMENTS[0];
    assert!(matches!(TextRules::parse([&one, &one]), Err(TextRuleError::Twice { .. })));
}

/// Text a stranger chose, so that every state of every rule is entered and left: pieces of the examples, whole and cut,
/// between separators.
fn hostile() -> impl Strategy<Value = String> {
    let examples: Vec<String> = built_in::DOCUMENTS
        .iter()
        .flat_map(|(id, markdown)| Document::parse(id, markdown).unwrap().examples)
        .flat_map(|(text, _)| text.lines().map(str::to_owned).chain([text.clone()]).collect::<Vec<_>>())
        .collect();
    let cut = (proptest::sample::select(examples), any::<prop::sample::Index>(), any::<prop::sample::Index>())
        .prop_map(|(text, a, b)| {
            let (a, b) = (a.index(text.len() + 1), b.index(text.len() + 1));
            text[boundary::floor(&text, a.min(b))..boundary::floor(&text, a.max(b))].to_owned()
        });
    let examples: Vec<String> = built_in::DOCUMENTS
        .iter()
        .flat_map(|(id, markdown)| Document::parse(id, markdown).unwrap().examples)
        .map(|(text, _)| text)
        .collect();
    let piece = prop_oneof![
        4 => proptest::sample::select(examples),
        4 => cut,
        2 => proptest::sample::select(vec![" ", "\n", ".", "@", "-", ": ", "://", "'", "é", "世", "eyJ", "4111 ", "🏴", "a@b.co", "+1"]).prop_map(str::to_owned),
        1 => "[a-zA-Z0-9_.@+-]{1,40}",
        1 => "\\PC{1,12}",
    ];
    prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// The heart: however a text is cut, no issue of the whole lies across what was let go.
    #[test]
    fn no_issue_lies_across_a_cut(text in hostile(), at in any::<prop::sample::Index>()) {
        let rules = &*RULES;
        let whole = rules.scan(&text);
        let first = boundary::floor(&text, at.index(text.len() + 1));
        // The prefix at a random place, and the 40 after it one by one.
        for end in (first..=text.len()).filter(|end| text.is_char_boundary(*end)).take(40) {
            let cut = rules.holds(&text[..end]).unwrap_or(end);
            for issue in &whole {
                prop_assert!(issue.span.start >= cut || issue.span.end <= cut, "{issue:?} lies across {cut} of {end}: {text:?}");
            }
        }
    }

    /// A stream that goes on from its cuts sees what one look at the whole sees.
    #[test]
    fn a_cut_is_a_place_to_go_on_from(text in hostile(), step in 1..60_usize) {
        let rules = &*RULES;
        let mut seen = Vec::new();
        let mut from = 0;
        let mut end = 0;
        while end < text.len() {
            end = boundary::ceil(&text, end + step);
            let part = &text[..end];
            let cut = if end == text.len() { end } else { rules.holds_from(part, from).unwrap_or(end) };
            prop_assert!(cut >= from);
            seen.extend(rules.scan_from(part, from).into_iter().filter(|issue| issue.span.start < cut));
            from = cut;
        }
        prop_assert_eq!(seen, rules.scan(&text));
    }
}

static RULES: std::sync::LazyLock<TextRules> = std::sync::LazyLock::new(built_in);

/// A repetition that starts a match at every step; with a quadratic scan one of these takes minutes.
#[test]
fn a_flood_is_read_in_linear_time() {
    let rules = &*RULES;
    let begun = std::time::Instant::now();
    for piece in [
        "eyJ-",
        "eyJEXAMPLEEXAMPLE.eyJ-",
        "-----BEGIN RSA PRIVATE KEY-----\n",
        "4111 ",
        "a@a.co.",
        "password='",
        "GB82 ",
        "\u{e0041}",
    ] {
        let flood = piece.repeat(400_000 / piece.len());
        rules.scan(&flood);
        rules.holds(&flood);
    }
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
}
