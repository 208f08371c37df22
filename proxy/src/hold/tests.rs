use std::sync::Arc;

use code_shield::text::TextRules;
use proptest::prelude::*;

use super::Hold;
use crate::upstream::{Event, Finish, Lane};

fn content(text: &str) -> Event {
    Event::Text { choice: 0, lane: Lane::Content, text: text.to_owned() }
}

fn pieces(hold: &mut Hold) -> Vec<String> {
    hold.ready().iter().map(|(_, segment)| segment.parts[0].text().to_owned()).collect()
}

#[test]
fn tool_arguments_wait_until_they_are_complete() {
    let mut hold = Hold::new(1, None);
    let call = |index, arguments: &str| Event::ToolCall {
        choice: 0,
        lane: Lane::Tool(index),
        id: Some("call_1".into()),
        name: String::new(),
        arguments: arguments.into(),
    };
    hold.push(call(0, "{\"a\":")).unwrap();
    assert!(hold.ready().is_empty());
    hold.push(call(0, "\"\\u0068i\"}")).unwrap();
    hold.push(call(1, "{")).unwrap();
    let ready = hold.ready();
    assert_eq!(ready.len(), 1);
    let texts: Vec<_> = ready[0].1.parts.iter().map(crate::segment::Part::text).collect();
    assert_eq!(texts, ["", "{\"a\":\"\\u0068i\"}", "hi"]);
    hold.push(Event::Finish { choice: 0, reason: Finish::ToolCalls }).unwrap();
    assert_eq!(hold.ready().len(), 1);
    assert_eq!(hold.finished(), [(0, Finish::ToolCalls)]);
    assert!(hold.is_complete());
}

#[test]
fn a_refused_answer_says_nothing_more() {
    let mut hold = Hold::new(2, None);
    hold.push(content("A first sentence that is long enough. ")).unwrap();
    hold.refuse(0);
    hold.push(content("More of it, which is also long enough. ")).unwrap();
    hold.push(Event::Finish { choice: 0, reason: Finish::Stop }).unwrap();
    assert!(hold.ready().is_empty() && hold.finished().is_empty());
    assert!(!hold.all_refused() && !hold.is_complete());
    hold.push(Event::Finish { choice: 1, reason: Finish::Stop }).unwrap();
    assert_eq!(hold.finished(), [(1, Finish::Stop)]);
    assert!(hold.is_complete());
}

#[test]
fn answers_nobody_asked_for_are_dropped() {
    let mut hold = Hold::new(1, None);
    hold.push(Event::Text { choice: 1, lane: Lane::Content, text: "x".repeat(500) }).unwrap();
    assert!(hold.ready().is_empty());
}

#[test]
fn an_open_key_block_is_held() {
    let rules = Arc::new(TextRules::built_in().unwrap());
    let mut hold = Hold::new(1, Some(rules));
    let text = format!(
        "Here is the key you want.\n-----BEGIN RSA PRIVATE KEY-----\n{}",
        "MIIEow+EXAMPLE/EXAMPLE=\n".repeat(40)
    );
    hold.push(content(&text)).unwrap();
    let released = pieces(&mut hold).concat();
    assert!(text.starts_with(&released) && !released.contains("MIIE"), "{released}");
}

proptest! {
    /// However an answer arrives, the same pieces are judged; together they are the answer.
    #[test]
    fn pieces_depend_on_the_text_alone(text in "([a-z .!\n]|```\n|key-4111 1111 ){0,300}", sizes in proptest::collection::vec(1usize..40, 1..40)) {
        let mut whole = Hold::new(1, None);
        whole.push(content(&text)).unwrap();
        whole.push(Event::Finish { choice: 0, reason: Finish::Stop }).unwrap();
        let expected = pieces(&mut whole);
        let mut split = Hold::new(1, None);
        let mut found = Vec::new();
        let (mut rest, mut sizes) = (text.as_str(), sizes.into_iter().cycle());
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(sizes.next().unwrap().min(rest.len()));
            split.push(content(head)).unwrap();
            found.extend(pieces(&mut split));
            rest = tail;
        }
        split.push(Event::Finish { choice: 0, reason: Finish::Stop }).unwrap();
        found.extend(pieces(&mut split));
        prop_assert_eq!(found.concat(), text.clone());
        if !text.is_empty() {
            prop_assert_eq!(found, expected);
        }
    }
}
