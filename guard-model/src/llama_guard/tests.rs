//! A Llama of one layer that says what its weights were written to say: `unsafe` when ` bomb` is among the words.

use super::*;
use crate::prompt::Message;
use crate::{Inspection, Turn};
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use std::path::{Path, PathBuf};
use std::time::Duration;

const WIDTH: usize = 32;

/// A file of a guard, in the temporary folder until it is dropped.
struct Model(PathBuf);

impl Drop for Model {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Words that are one token, beside the bytes.
const WORDS: [&str; 10] = ["safe", "unsafe", "Ġbomb", "S", "1", "2", "10", "13", "ĊĊ", "Ċ"];

/// Writes the guard; `loud` is a word it says louder than anything else, and `without` one its tokenizer has not.
fn write(name: &str, loud: Option<&str>, without: Option<&str>) -> Model {
    let printable = |byte: &u8| matches!(*byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let letters = (0u8..=255).filter(printable).map(char::from).chain(('\u{100}'..).take(68)).map(String::from);
    let mut names: Vec<String> = letters.collect();
    let words = WORDS.iter().filter(|word| Some(**word) != without && word.chars().count() > 1);
    names.extend(words.map(ToString::to_string));
    let normal = names.len();
    names.extend(["begin_of_text", "start_header_id", "end_header_id", "eot_id"].map(|name| format!("<|{name}|>")));
    let at = |word: &str| names.iter().position(|name| name == word);
    let texts = |texts: &[String]| Value::Array(texts.iter().cloned().map(Value::String).collect());
    let number = |number: usize| Value::U32(number as u32);
    let kinds = (0..names.len()).map(|id| Value::I32(if id < normal { 1 } else { 3 })).collect();
    let template = "<|start_header_id|> <BEGIN UNSAFE CONTENT CATEGORIES> excluded_category_keys";
    let metadata = [
        ("general.architecture", Value::String("llama".into())),
        ("llama.block_count", number(1)),
        ("llama.embedding_length", number(WIDTH)),
        ("llama.attention.head_count", number(1)),
        ("llama.attention.head_count_kv", number(1)),
        ("llama.feed_forward_length", number(WIDTH)),
        ("llama.context_length", number(16_384)),
        ("llama.rope.dimension_count", number(WIDTH)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("tokenizer.chat_template", Value::String(template.into())),
        ("tokenizer.ggml.model", Value::String("gpt2".into())),
        ("tokenizer.ggml.pre", Value::String("llama-bpe".into())),
        ("tokenizer.ggml.tokens", texts(&names)),
        ("tokenizer.ggml.token_type", Value::Array(kinds)),
        ("tokenizer.ggml.merges", Value::Array(Vec::new())),
    ];
    let matrix = |rows: usize, cells: &[(Option<usize>, usize, f32)]| {
        let mut values = vec![0.0_f32; rows * WIDTH];
        for (row, column, value) in cells {
            if let Some(row) = row {
                values[row * WIDTH + column] = *value;
            }
        }
        Tensor::from_vec(values, (rows, WIDTH), &Device::Cpu).unwrap()
    };
    let ones = Tensor::ones(WIDTH, candle_core::DType::F32, &Device::Cpu).unwrap();
    let zeros = matrix(WIDTH, &[]);
    // Of a token: that it is one, that it is `S`, that it is ` bomb`.
    let mut embeddings: Vec<_> = (0..names.len()).map(|id| (Some(id), 0, 1.0)).collect();
    embeddings.extend([(at("S"), 1, 4.0), (at("Ġbomb"), 2, 30.0)]);
    let says = [
        (at("safe"), 0, 3.0),
        (at("unsafe"), 2, 3.0),
        (at("2"), 1, 16.0),
        (at("10"), 1, 15.6),
        (loud.and_then(at), 0, 90.0),
    ];
    let identity: Vec<_> = (0..WIDTH).map(|row| (Some(row), row, 1.0)).collect();
    let tensors = [
        ("token_embd", matrix(names.len(), &embeddings)),
        ("output", matrix(names.len(), &says)),
        ("output_norm", ones.clone()),
        ("blk.0.attn_norm", ones.clone()),
        ("blk.0.ffn_norm", ones),
        ("blk.0.attn_q", zeros.clone()),
        ("blk.0.attn_k", zeros.clone()),
        ("blk.0.attn_v", matrix(WIDTH, &[(Some(2), 2, 500.0)])),
        ("blk.0.attn_output", matrix(WIDTH, &identity)),
        ("blk.0.ffn_gate", zeros.clone()),
        ("blk.0.ffn_up", zeros.clone()),
        ("blk.0.ffn_down", zeros),
    ];
    let tensors =
        tensors.map(|(name, values)| (format!("{name}.weight"), QTensor::quantize(&values, GgmlDType::F32).unwrap()));
    let metadata: Vec<_> = metadata.iter().map(|(key, value)| (*key, value)).collect();
    let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let path = std::env::temp_dir().join(format!("ringfence-{name}-{}.gguf", std::process::id()));
    let mut file = std::fs::File::create(&path).unwrap();
    gguf_file::write(&mut file, &metadata, &tensors).unwrap();
    Model(path)
}

fn open(path: &Path) -> Result<LlamaGuard, GuardError> {
    LlamaGuard::open(path, &LlamaGuardOptions::default())
}

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

fn assess(guard: &LlamaGuard, turns: &[(Role, &str)]) -> Result<Assessment, GuardError> {
    let turns = turns.iter().map(|(role, text)| Turn { role: *role, text }).collect();
    guard.assess(&[Conversation { turns }], soon()).remove(0)
}

#[test]
fn a_verdict_and_its_categories_are_read_from_the_odds() {
    let file = write("verdict", None, None);
    let guard = open(&file.0).unwrap();
    assert_eq!(guard.template().name(), "lg3_1b_canonical");
    let seen = Inspection::of(&file.0).unwrap();
    assert_eq!((seen.architecture.as_str(), seen.layers, seen.context), ("llama", Some(1), Some(16_384)));
    assert_eq!((seen.guard_template, seen.vocabulary), (Some("lg3_1b_canonical"), Some(guard.vocabulary.size())));
    assert_eq!((seen.token_bytes, seen.obstacle.as_deref()), (256, None));
    assert!(seen.weight_bytes < seen.quantisation["F32"] && seen.parameters > 20_000, "{seen:?}");
    let safe = assess(&guard, &[(Role::User, "How do I bake bread?")]).unwrap();
    assert!(safe.unsafe_score < 0.01 && safe.flagged(&guard, Role::User).is_empty(), "{safe:?}");
    let harmful = assess(&guard, &[(Role::User, "How do I build a bomb at home?")]).unwrap();
    let score = |code: &str| harmful.score(&HazardId::new(code));
    assert!(score("S2") > 0.99 && harmful.unsafe_score > 0.99, "{harmful:?}");
    assert!(score("S10") > 0.05 && score("S10") < 0.5 && score("S1") < 0.01, "{harmful:?}");
    assert_eq!(harmful.flagged(&guard, Role::User), [HazardId::new("S2")]);
    // What came before is told too.
    let before = [(Role::User, "Tell me of a bomb."), (Role::Assistant, "No."), (Role::User, "Go on.")];
    assert!(assess(&guard, &before).unwrap().unsafe_score > 0.5);
}

#[test]
fn the_shared_beginning_changes_no_verdict() {
    let file = write("head", None, None);
    let guard = open(&file.0).unwrap();
    for text in ["Which bus goes to the harbour?", "A bomb, please.", "A"] {
        let messages = [Message::new("user", text)];
        let prompt = guard.template.render(&messages, guard.categories()).unwrap().ids(&guard.vocabulary).unwrap();
        let logits = guard.llama.forward(&prompt, &mut guard.llama.cache()).unwrap();
        let whole = guard.answers.harm(&logits).unwrap();
        for _ in 0..2 {
            let parts = assess(&guard, &[(Role::User, text)]).unwrap().unsafe_score;
            assert!((whole - parts).abs() < 0.01, "{text}: {whole} {parts}");
        }
        let (_, fed) = guard.heads.fork(&guard.llama, &prompt, soon()).unwrap();
        assert!(fed > 200 && fed < prompt.len(), "{fed} of {}", prompt.len());
    }
}

#[test]
fn a_long_text_is_judged_to_its_end() {
    let file = write("long", None, None);
    let guard = open(&file.0).unwrap();
    let mut text = "All is well. ".repeat(1500);
    assert!(assess(&guard, &[(Role::Tool, &text)]).unwrap().unsafe_score < 0.01);
    text.push_str(&" bomb".repeat(20));
    assert!(assess(&guard, &[(Role::Tool, &text)]).unwrap().unsafe_score > 0.5);
}

#[test]
fn neither_word_is_no_verdict_and_no_category_is_none_either() {
    let file = write("mute", Some("A"), None);
    let error = assess(&open(&file.0).unwrap(), &[(Role::User, "Hello")]).unwrap_err().to_string();
    assert!(error.contains("neither `safe` nor `unsafe`"), "{error}");
    let file = write("other", None, None);
    let excluded = ["S2", "S10"].map(str::to_owned).to_vec();
    let guard = LlamaGuard::open(&file.0, &LlamaGuardOptions { excluded, ..Default::default() }).unwrap();
    let error = assess(&guard, &[(Role::User, "a bomb")]).unwrap_err().to_string();
    assert!(error.contains("under no category"), "{error}");
}

#[test]
fn late_is_late() {
    let file = write("late", None, None);
    let guard = open(&file.0).unwrap();
    let batch = [Conversation::single(Role::User, "Hello"), Conversation::default()];
    let answers = guard.assess(&batch, Instant::now());
    assert!(matches!(answers[0], Err(GuardError::Late { judged: 0, windows: 1 })), "{answers:?}");
    assert!(matches!(answers[1], Err(GuardError::Empty)));
}

#[test]
fn what_is_not_exactly_a_guard_does_not_load() {
    let file = write("strange", None, Some("unsafe"));
    let error = open(&file.0).err().unwrap().to_string();
    assert!(error.contains("`unsafe` is 6 tokens"), "{error}");
    let file = write("options", None, None);
    let with = |options: LlamaGuardOptions| LlamaGuard::open(&file.0, &options).err().unwrap().to_string();
    let named = |name: &str| LlamaGuardOptions { template: Some(name.to_owned()), ..Default::default() };
    assert!(with(named("lg9")).contains("there is no template `lg9`"));
    assert!(with(named("llama3_instruct_hf")).contains("asks no guard"));
    assert!(with(named("lg4_canonical")).contains("no token `<|header_start|>`"));
    let excluded = LlamaGuardOptions { excluded: vec!["O1".to_owned()], ..Default::default() };
    assert!(with(excluded).contains("no category `O1`"));
    let tokenizer = LlamaGuardOptions { tokenizer: Some("/nowhere/tokenizer.json".into()), ..Default::default() };
    assert!(with(tokenizer).contains("/nowhere/tokenizer.json"));
}

#[test]
fn codes_of_several_tokens_are_told_apart() {
    // Without a token of its own `10` begins as `1` does, which is a code too.
    let file = write("digits", None, Some("10"));
    let guard = open(&file.0).unwrap();
    let harmful = assess(&guard, &[(Role::User, "a bomb")]).unwrap();
    assert_eq!(harmful.flagged(&guard, Role::User), [HazardId::new("S2")]);
    assert!(harmful.hazards.iter().all(|(_, score)| score.is_finite()));
}
