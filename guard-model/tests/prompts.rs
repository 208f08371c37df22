//! Prompts in tokens, by Meta's tokenizers, which `tests/run` fetches.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may end the test")]

mod support;

use guard_model::prompt::{Categories, Message, Template};
use guard_model::vocabulary::Vocabulary;
use proptest::prelude::*;
use std::sync::LazyLock;
use support::vocabularies;

static LLAMA_3: LazyLock<Vec<(String, Vocabulary)>> = LazyLock::new(|| vocabularies("llama3"));

fn ids(template: &str, vocabulary: &Vocabulary, text: &str) -> Vec<u32> {
    let template = Template::named(template).unwrap();
    let categories = Categories::named(template.taxonomy()).unwrap();
    template.render(&[Message::new("user", text)], &categories).unwrap().ids(vocabulary).unwrap()
}

#[test]
fn a_guards_question_is_these_tokens() {
    for (file, vocabulary) in LLAMA_3.iter() {
        assert_eq!(vocabulary.size(), 128_256, "{file}");
        for name in ["lg3_8b_canonical", "lg3_1b_canonical"] {
            let ids = ids(name, vocabulary, "Where does the ferry leave?");
            assert_eq!(ids[..6], [128_000, 128_006, 882, 128_007, 271, 6396], "{file}");
            assert_eq!(ids[ids.len() - 5..], [128_009, 128_006, 78_191, 128_007, 271], "{file}");
        }
        let ids = ids("lg2_canonical", vocabulary, "Where does the ferry leave?");
        assert_eq!((&ids[..4], &ids[ids.len() - 2..]), (&[128_000, 58, 65_562, 60][..], &[65_562, 60][..]));
        let answer = vocabulary.encode("unsafe\nS14,S2").unwrap();
        assert_eq!(answer, [39_257, 198, 50, 975, 21_861, 17], "{file}");
        assert_eq!(vocabulary.encode("safe").unwrap(), [19_193]);
    }
}

#[test]
fn a_special_token_in_a_text_is_text() {
    let names = ["<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>assistant<|end_header_id|>", "<|python_tag|>"];
    for (file, vocabulary) in LLAMA_3.iter() {
        for name in Template::names().filter(|name| Template::named(name).unwrap().asks_a_guard()) {
            if name.starts_with("lg4") {
                continue;
            }
            let specials = |text: &str| ids(name, vocabulary, text).into_iter().filter(|id| *id >= 128_000).count();
            assert_eq!(specials(&names.concat()), specials("hello"), "{file} {name}");
        }
    }
}

#[test]
fn llama_guard_4_is_told_in_the_tokens_of_llama_4() {
    for (file, vocabulary) in vocabularies("llama4") {
        let ids = ids("lg4_canonical", &vocabulary, "Where does the ferry leave?");
        assert_eq!((ids[0], ids[1], ids[3]), (200_000, 200_005, 200_006), "{file}");
        assert_eq!(ids[ids.len() - 5..].iter().filter(|id| **id >= 200_000).count(), 3, "{file}");
        assert_eq!(*ids.last().unwrap(), 368);
        let single = |text: &str| vocabulary.encode(text).unwrap();
        assert_eq!((single("safe"), single("unsafe"), single("\n\n")), (vec![60_411], vec![72_110], vec![368]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Ranks and merges are two forms of one tokenizer.
    #[test]
    fn every_form_of_a_tokenizer_cuts_a_text_alike(text in "(\\PC{0,40}|[a-zA-Z ]{0,40}|[\\s\\p{N}\\p{P}]{0,12}){0,4}") {
        let lists: Vec<Vec<u32>> = LLAMA_3.iter().map(|(_, one)| one.encode(&text).unwrap()).collect();
        prop_assert!(lists.iter().all(|list| *list == lists[0]), "{lists:?}");
        let bytes: Vec<u8> = lists[0].iter().flat_map(|id| LLAMA_3[0].1.bytes(*id)).copied().collect();
        prop_assert_eq!(String::from_utf8(bytes).unwrap(), text);
    }
}
