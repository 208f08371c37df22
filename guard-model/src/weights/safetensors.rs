//! A directory of safetensors: one file, or several with an index, beside a `config.json`.

use super::{Config, Form, Place, Tensors};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The tensors and the configuration of a directory.
///
/// # Errors
/// In one sentence what is missing or wrong, with the file's name.
pub(crate) fn open_directory(path: &Path) -> Result<(Tensors<File>, Config), String> {
    let config: Config = json(path, "config.json")?;
    let names: Vec<String> = if path.join(INDEX).exists() {
        let index: Index = json(path, INDEX)?;
        let names: BTreeSet<String> = index.weight_map.into_values().collect();
        if let Some(strange) = names.iter().find(|name| Path::new(name).components().count() != 1) {
            return Err(format!("`{INDEX}` names `{strange}`, which is not a file beside it"));
        }
        names.into_iter().collect()
    } else {
        vec!["model.safetensors".to_owned()]
    };
    let shape = config.shape().map_err(|reason| format!("`config.json`: {reason}"))?;
    let (mut files, mut places) = (Vec::new(), BTreeMap::new());
    for name in names {
        let wrong = |reason: String| format!("`{name}`: {reason}");
        let mut file = File::open(path.join(&name)).map_err(|error| wrong(error.to_string()))?;
        let length = file.metadata().map_err(|error| wrong(error.to_string()))?.len();
        for (tensor, mut place) in header(&mut file, length).map_err(wrong)? {
            let Some(own) = own_name(&tensor) else { continue };
            place.file = files.len();
            place.halved = if own.ends_with("attn_q.weight") {
                Some(shape.heads)
            } else if own.ends_with("attn_k.weight") {
                Some(shape.key_heads)
            } else {
                None
            };
            places.insert(own, place);
        }
        files.push(file);
    }
    Ok((Tensors::new(files, places), config))
}

/// The directory at the head of a file of `length` bytes.
fn header(file: &mut impl Read, length: u64) -> Result<Vec<(String, Place)>, String> {
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(|error| error.to_string())?;
    let size = u64::from_le_bytes(size);
    if size > MOST_HEADER || size.saturating_add(8) > length {
        return Err(format!("its header is said to have {size} bytes, the file has {length}"));
    }
    let mut text = vec![0; size as usize];
    file.read_exact(&mut text).map_err(|error| error.to_string())?;
    let mut entries: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&text).map_err(|error| format!("its header is no JSON: {error}"))?;
    entries.remove("__metadata__");
    let mut places = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        let entry: Entry = serde_json::from_value(entry).map_err(|error| format!("tensor `{name}`: {error}"))?;
        let form = match entry.dtype.as_str() {
            "F32" => Form::F32,
            "F16" => Form::F16,
            "BF16" => Form::BF16,
            other => return Err(format!("tensor `{name}`: its type `{other}` does not run here")),
        };
        let [start, end] = entry.data_offsets;
        let count = entry.shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
        let bytes = count.and_then(|count| form.bytes(count)).map(|bytes| bytes as u64);
        if end.checked_sub(start) != bytes || end.saturating_add(size).saturating_add(8) > length {
            return Err(format!("tensor `{name}`: its bytes from {start} to {end} do not fit its shape or the file"));
        }
        places.push((name, Place { file: 0, offset: 8 + size + start, form, shape: entry.shape, halved: None }));
    }
    Ok(places)
}

/// The name of a tensor in GGUF files; none for what is not needed.
fn own_name(name: &str) -> Option<String> {
    let plain = match name {
        "model.embed_tokens.weight" => "token_embd.weight",
        "model.norm.weight" => "output_norm.weight",
        "lm_head.weight" => "output.weight",
        _ => {
            let (layer, part) = name.strip_prefix("model.layers.")?.split_once('.')?;
            let part = match part.strip_suffix(".weight")? {
                "input_layernorm" => "attn_norm",
                "post_attention_layernorm" => "ffn_norm",
                "self_attn.q_proj" => "attn_q",
                "self_attn.k_proj" => "attn_k",
                "self_attn.v_proj" => "attn_v",
                "self_attn.o_proj" => "attn_output",
                "mlp.gate_proj" => "ffn_gate",
                "mlp.up_proj" => "ffn_up",
                "mlp.down_proj" => "ffn_down",
                _ => return None,
            };
            return Some(format!("blk.{layer}.{part}.weight"));
        }
    };
    Some(plain.to_owned())
}

fn json<T: serde::de::DeserializeOwned>(path: &Path, name: &str) -> Result<T, String> {
    let mut text = Vec::new();
    let file = File::open(path.join(name)).map_err(|error| format!("`{name}`: {error}"))?;
    file.take(MOST_HEADER).read_to_end(&mut text).map_err(|error| format!("`{name}`: {error}"))?;
    serde_json::from_slice(&text).map_err(|error| format!("`{name}`: {error}"))
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

const INDEX: &str = "model.safetensors.index.json";

/// Most bytes of a header: the format's own limit.
const MOST_HEADER: u64 = 100_000_000;
