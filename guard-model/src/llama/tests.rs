//! Small random models of several shapes and types, against candle's own Llama on the same weights as 32-bit numbers.

use super::*;
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use candle_transformers::models::quantized_llama::ModelWeights;
use std::io::Cursor;

/// A model's sizes: layers, width, heads, key heads, inner width, vocabulary.
type Sizes = [usize; 6];

/// A file with random weights of a type, and of another type for the feed-forward's way down.
fn file([layers, width, heads, key_heads, inner, vocabulary]: Sizes, types: [GgmlDType; 2], tied: bool) -> Vec<u8> {
    let number = |number: usize| Value::U32(number as u32);
    let metadata = [
        ("general.architecture", Value::String("llama".into())),
        ("llama.block_count", number(layers)),
        ("llama.embedding_length", number(width)),
        ("llama.attention.head_count", number(heads)),
        ("llama.attention.head_count_kv", number(key_heads)),
        ("llama.feed_forward_length", number(inner)),
        ("llama.context_length", number(512)),
        ("llama.rope.dimension_count", number(width / heads)),
        ("llama.rope.freq_base", Value::F32(10_000.0)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
    ];
    let mut seed = 1_u64;
    let mut random = |rows: usize, columns: usize, size: f32| {
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            ((seed >> 40) as f32 / (1_u64 << 23) as f32 - 1.0) * size
        };
        let values = (0..rows * columns).map(|_| next()).collect();
        Tensor::from_vec(values, (rows, columns), &Device::Cpu).unwrap()
    };
    let keys = width / heads * key_heads;
    let mut tensors: Vec<(String, QTensor)> = Vec::new();
    let mut add = |name: String, values: &Tensor, dtype| {
        tensors.push((format!("{name}.weight"), QTensor::quantize(values, dtype).unwrap()));
    };
    let ones = Tensor::ones(width, candle_core::DType::F32, &Device::Cpu).unwrap();
    let share = 1.7 / (width as f32).sqrt();
    add("token_embd".into(), &random(vocabulary, width, 1.0), types[0]);
    add("output_norm".into(), &ones, GgmlDType::F32);
    if !tied {
        add("output".into(), &random(vocabulary, width, share), types[1]);
    }
    for layer in 0..layers {
        let name = |part: &str| format!("blk.{layer}.{part}");
        add(name("attn_norm"), &ones, GgmlDType::F32);
        add(name("ffn_norm"), &ones, GgmlDType::F32);
        add(name("attn_q"), &random(width, width, 2.0 * share), types[0]);
        add(name("attn_k"), &random(keys, width, 2.0 * share), types[0]);
        add(name("attn_v"), &random(keys, width, share), types[1]);
        add(name("attn_output"), &random(width, width, share), types[0]);
        add(name("ffn_gate"), &random(inner, width, share), types[0]);
        add(name("ffn_up"), &random(inner, width, share), types[0]);
        add(name("ffn_down"), &random(width, inner, share), types[1]);
    }
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (*key, value)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let mut bytes = Cursor::new(Vec::new());
    gguf_file::write(&mut bytes, &metadata, &tensors).unwrap();
    bytes.into_inner()
}

/// The same file with every weight as a 32-bit number, so that candle rounds nothing.
fn exact(bytes: &[u8]) -> Vec<u8> {
    let mut file = Cursor::new(bytes);
    let content = Content::read(&mut file).unwrap();
    let widened = |name: &String| {
        let values = content.tensor(&mut Cursor::new(bytes), name, &Device::Cpu).unwrap().dequantize(&Device::Cpu);
        (name.clone(), QTensor::quantize(&values.unwrap(), GgmlDType::F32).unwrap())
    };
    let tensors: Vec<(String, QTensor)> = content.tensor_infos.keys().map(widened).collect();
    let metadata: Vec<(&str, &Value)> = content.metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let mut bytes = Cursor::new(Vec::new());
    gguf_file::write(&mut bytes, &metadata, &tensors).unwrap();
    bytes.into_inner()
}

fn load(bytes: &[u8]) -> Result<Llama> {
    let mut file = Cursor::new(bytes);
    let content = Content::read(&mut file)?;
    let shape = Metadata(&content).shape().map_err(|reason| failed(&reason))?;
    Llama::read(&content, shape, &mut file)
}

/// A small model with 64 tokens and a context of 512.
pub(super) fn small() -> Llama {
    load(&file([2, 128, 4, 2, 128, 64], [GgmlDType::Q8_0; 2], true)).unwrap()
}

/// Fed in the same parts, both give the same logits after each part.
#[test]
fn models_of_other_shapes_and_types_answer_as_the_reference_does() {
    use GgmlDType::{BF16, F16, F32, Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0};
    let cases: [(Sizes, [GgmlDType; 2], bool); 8] = [
        ([2, 256, 8, 2, 512, 300], [Q4K, Q6K], true),
        ([2, 256, 4, 4, 256, 77], [Q5K, Q4K], false),
        ([3, 128, 4, 1, 96, 64], [Q4_0, Q8_0], true),
        ([2, 192, 3, 3, 160, 100], [Q4_1, Q5_0], false),
        ([1, 96, 2, 1, 64, 33], [Q5_1, Q8_0], true),
        ([2, 128, 8, 4, 128, 50], [F32, F16], true),
        ([2, 128, 2, 2, 128, 50], [F16, F32], false),
        ([2, 128, 1, 1, 128, 50], [BF16, BF16], true),
    ];
    for (sizes, types, tied) in cases {
        let bytes = file(sizes, types, tied);
        let model = load(&bytes).unwrap();
        let mut reader = Cursor::new(exact(&bytes));
        let content = Content::read(&mut reader).unwrap();
        let mut reference = ModelWeights::from_gguf(content, &mut reader, &Device::Cpu).unwrap();
        let tokens: Vec<u32> = (0..75).map(|at| (at * 7919 % sizes[5]) as u32).collect();
        let (mut cache, mut at) = (model.cache(), 0);
        for length in [33, 1, 1, 40] {
            let part = &tokens[at..at + length];
            let found = model.forward(part, &mut cache).unwrap();
            let ids = Tensor::new(part, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
            let expected: Vec<f32> = reference.forward(&ids, at).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            at += length;
            assert_eq!(found.len(), sizes[5]);
            let size = (expected.iter().map(|x| x * x).sum::<f32>() / expected.len() as f32).sqrt();
            let error = expected.iter().zip(&found).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / expected.len() as f32;
            println!("{sizes:?} {types:?} after {at}: {:.4} off", error.sqrt() / size);
            assert!(error.sqrt() < 0.1 * size, "{sizes:?} {types:?} after {at}: {} of {size}", error.sqrt());
        }
    }
}

#[test]
fn a_fork_continues_as_if_it_had_read_all_itself() {
    let model = load(&file([2, 128, 4, 2, 128, 64], [GgmlDType::Q8_0; 2], true)).unwrap();
    let tokens: Vec<u32> = (0..50).map(|at| at * 13 % 64).collect();
    let mut prefix = model.cache();
    model.forward(&tokens[..40], &mut prefix).unwrap();
    for end in [[1, 2, 3], [60, 5, 9]] {
        let mut whole = model.cache();
        let expected = model.forward(&[&tokens[..40], &end].concat(), &mut whole).unwrap();
        let found = model.forward(&end, &mut prefix.clone()).unwrap();
        let worst = expected.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4, "{worst}");
    }
    assert_eq!(prefix.length(), 40);
}

#[test]
fn what_does_not_fit_is_an_error_with_its_name() {
    let good = file([1, 128, 4, 2, 128, 64], [GgmlDType::Q8_0; 2], true);
    let model = load(&good).unwrap();
    let error = model.forward(&[64], &mut model.cache()).unwrap_err().to_string();
    assert!(error.contains("there is no token 64"), "{error}");
    assert!(model.forward(&[], &mut model.cache()).is_err());
    let error = load(&file([1, 256, 4, 2, 256, 64], [GgmlDType::Q2K; 2], true)).err().unwrap().to_string();
    assert!(error.contains("`token_embd.weight`") && error.contains("Q2K"), "{error}");
    assert!(load(&good[..good.len() - 64]).is_err());
}

#[test]
fn long_context_factors_slow_the_turns() {
    let content = |bytes: &[u8]| Content::read(&mut Cursor::new(bytes)).unwrap();
    let bytes = file([1, 128, 4, 2, 128, 64], [GgmlDType::Q8_0; 2], true);
    let content = content(&bytes);
    let shape = Metadata(&content).shape().unwrap();
    let (plain, slowed) = (frequencies(&shape, &[]), frequencies(&shape, &[1.0, 8.0]));
    assert_eq!((plain.len(), plain[0], slowed[0], slowed[2]), (16, 1.0, 1.0, plain[2]));
    assert!((slowed[1] - plain[1] / 8.0).abs() < 1e-9);
}

/// Several conversations at once, each behind its own cache, are what they are one by one.
#[test]
fn a_batch_is_each_of_its_parts() {
    let model = load(&file([2, 256, 4, 2, 256, 64], [GgmlDType::Q4K, GgmlDType::Q6K], true)).unwrap();
    let tokens: Vec<u32> = (0..60).map(|at| at * 13 % 64).collect();
    let mut prefix = model.cache();
    model.forward(&tokens[..37], &mut prefix).unwrap();
    let (mut first, mut second, mut third) = (prefix.clone(), model.cache(), prefix.clone());
    let wanted = |after: usize| [Wanted { after, of: &[3, 60] }];
    let (early, late) = (wanted(2), wanted(19));
    let mut parts = [
        Part { tokens: &tokens[40..50], cache: &mut first, wanted: &early },
        Part { tokens: &tokens[..20], cache: &mut second, wanted: &late },
        Part { tokens: &tokens[50..], cache: &mut third, wanted: &[] },
    ];
    let together = model.batch(&mut parts).unwrap();
    assert_eq!((first.length(), second.length(), third.length()), (47, 20, 47));
    let mut alone = vec![model.scores(&tokens[40..50], &mut prefix.clone(), &early).unwrap()];
    alone.push(model.scores(&tokens[..20], &mut model.cache(), &late).unwrap());
    for (together, alone) in together.iter().zip(&alone) {
        let (together, alone) = (&together[0], &alone[0]);
        assert!(together.iter().zip(alone).all(|(a, b)| (a - b).abs() < 1e-4), "{together:?} and {alone:?}");
    }
    assert!(together[2].is_empty());
    // The caches go on as if each had been alone.
    let next = model.forward(&[7, 8], &mut third).unwrap();
    let mut other = prefix.clone();
    model.scores(&tokens[50..], &mut other, &[]).unwrap();
    let expected = model.forward(&[7, 8], &mut other).unwrap();
    assert!(next.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4));
    // Some logits are what all of them are in their places.
    let all = model.forward(&tokens[..20], &mut model.cache()).unwrap();
    let size = all.iter().fold(0.0_f32, |most, logit| most.max(logit.abs()));
    assert!((all[3] - alone[1][0][0]).abs() < 0.05 * size && (all[60] - alone[1][0][1]).abs() < 0.05 * size);
}

#[test]
fn long_waves_are_slowed_and_short_ones_are_not() {
    let scaling = Scaling::Waves { factor: 32.0, low: 1.0, high: 4.0, context: 8192.0 };
    let wave = |length: f32| std::f32::consts::TAU / length;
    assert!((scaling.apply(wave(1000.0)) / wave(1000.0) - 1.0).abs() < 1e-6);
    assert!((scaling.apply(wave(9000.0)) / wave(9000.0) - 1.0 / 32.0).abs() < 1e-6);
    let between = scaling.apply(wave(4096.0)) / wave(4096.0);
    // Two thirds of the way from slow to fast one third is kept: (8192 / 4096 - 1) / (4 - 1).
    assert!((between - (2.0 / 3.0 / 32.0 + 1.0 / 3.0)).abs() < 1e-5, "{between}");
}

/// The tensors of a file as a directory of safetensors has them: other names, and heads whose left halves come first.
fn directory(bytes: &[u8], heads: [usize; 2], to: &std::path::Path, shards: usize) {
    let content = Content::read(&mut Cursor::new(bytes)).unwrap();
    let mut files: Vec<std::collections::HashMap<String, Tensor>> = vec![std::collections::HashMap::new(); shards];
    let mut index = serde_json::Map::new();
    let mut names: Vec<&String> = content.tensor_infos.keys().collect();
    names.sort();
    for (at, name) in names.into_iter().enumerate() {
        let tensor =
            content.tensor(&mut Cursor::new(bytes), name, &Device::Cpu).unwrap().dequantize(&Device::Cpu).unwrap();
        let halved = |heads: usize| {
            let (rows, columns) = tensor.dims2().unwrap();
            let pairs = tensor.reshape((heads, rows / heads / 2, 2, columns)).unwrap();
            pairs.transpose(1, 2).unwrap().contiguous().unwrap().reshape((rows, columns)).unwrap()
        };
        let (name, tensor) = match name.strip_suffix(".weight").unwrap() {
            "token_embd" => ("model.embed_tokens".to_owned(), tensor),
            "output_norm" => ("model.norm".to_owned(), tensor),
            "output" => ("lm_head".to_owned(), tensor),
            layer => {
                let (number, part) = layer.strip_prefix("blk.").unwrap().split_once('.').unwrap();
                let (part, tensor) = match part {
                    "attn_norm" => ("input_layernorm", tensor),
                    "ffn_norm" => ("post_attention_layernorm", tensor),
                    "attn_q" => ("self_attn.q_proj", halved(heads[0])),
                    "attn_k" => ("self_attn.k_proj", halved(heads[1])),
                    "attn_v" => ("self_attn.v_proj", tensor),
                    "attn_output" => ("self_attn.o_proj", tensor),
                    "ffn_gate" => ("mlp.gate_proj", tensor),
                    "ffn_up" => ("mlp.up_proj", tensor),
                    _ => ("mlp.down_proj", tensor),
                };
                (format!("model.layers.{number}.{part}"), tensor)
            }
        };
        let file = format!("model-{}.safetensors", at % shards);
        index.insert(format!("{name}.weight"), file.into());
        files[at % shards].insert(format!("{name}.weight"), tensor);
    }
    std::fs::create_dir_all(to).unwrap();
    for (at, tensors) in files.iter().enumerate() {
        let name = if shards == 1 { "model.safetensors".to_owned() } else { format!("model-{at}.safetensors") };
        candle_core::safetensors::save(tensors, to.join(name)).unwrap();
    }
    if shards > 1 {
        let index = serde_json::json!({ "metadata": {}, "weight_map": index });
        std::fs::write(to.join("model.safetensors.index.json"), index.to_string()).unwrap();
    }
    let config = serde_json::json!({
        "model_type": "llama", "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": heads[0],
        "num_key_value_heads": heads[1], "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    });
    std::fs::write(to.join("config.json"), config.to_string()).unwrap();
}

#[test]
fn a_directory_of_safetensors_is_the_same_model_as_a_file() {
    let folder = std::env::temp_dir().join(format!("ringfence-safetensors-{}", std::process::id()));
    let tokens: Vec<u32> = (0..30).map(|at| at * 13 % 64).collect();
    for (tied, shards) in [(true, 1), (false, 3)] {
        let bytes = file([2, 128, 4, 2, 128, 64], [GgmlDType::F32; 2], tied);
        let path = folder.join(shards.to_string());
        directory(&bytes, [4, 2], &path, shards);
        let (one, other) = (load(&bytes).unwrap(), Llama::open(&path).unwrap());
        let expected = one.forward(&tokens, &mut one.cache()).unwrap();
        let found = other.forward(&tokens, &mut other.cache()).unwrap();
        assert!(expected.iter().zip(&found).all(|(a, b)| (a - b).abs() < 1e-4), "{expected:?} and {found:?}");
    }
    // What is wrong is named.
    let wrong = |change: &dyn Fn(&std::path::Path)| {
        change(&folder.join("3"));
        Llama::open(&folder.join("3")).err().unwrap().to_string()
    };
    let cut = wrong(&|path| {
        let file = path.join("model-1.safetensors");
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(file, &bytes[..bytes.len() - 4]).unwrap();
    });
    assert!(cut.contains("`model-1.safetensors`") && cut.contains("do not fit"), "{cut}");
    let gone = wrong(&|path| std::fs::remove_file(path.join("model-1.safetensors")).unwrap());
    assert!(gone.contains("`model-1.safetensors`"), "{gone}");
    let outside = wrong(&|path| {
        let index = r#"{"weight_map": {"model.norm.weight": "../1/model.safetensors"}}"#;
        std::fs::write(path.join("model.safetensors.index.json"), index).unwrap();
    });
    assert!(outside.contains("not a file beside it"), "{outside}");
    std::fs::remove_dir_all(&folder).unwrap();
}
