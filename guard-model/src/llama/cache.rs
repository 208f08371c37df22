//! Keys and values of the tokens a model has read, in blocks that several conversations can share.

use crate::engine::{GROUP, half_bits};
use rayon::prelude::{IndexedParallelIterator as _, IntoParallelRefMutIterator as _, ParallelIterator as _};
use std::sync::Arc;

/// What one conversation's tokens left behind in every layer. A clone is a fork: both share all blocks, and whoever
/// writes to one that is shared copies it first. Values have half precision.
#[derive(Clone)]
pub struct Cache {
    layers: Vec<Vec<Arc<Block>>>,
    length: usize,
    heads: usize,
    width: usize,
}

/// Keys and values of 32 tokens in one layer, laid out for products: of a head's keys a row for each dimension, a column
/// for each token; of its values a row for each token, 32 dimensions wide, and so often as the head is wide.
#[derive(Clone)]
pub(super) struct Block {
    keys: Vec<[u16; GROUP]>,
    values: Vec<[u16; GROUP]>,
}

impl Cache {
    /// An empty cache for a model of so many layers, heads of keys, and dimensions of a head.
    pub(super) fn new(layers: usize, heads: usize, width: usize) -> Self {
        Self { layers: vec![Vec::new(); layers], length: 0, heads, width }
    }

    /// Tokens that all layers have read.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Bytes of all its blocks; what forks share is counted for each of them.
    pub fn bytes(&self) -> usize {
        let block = self.heads * GROUP * (self.width + self.width.next_multiple_of(GROUP)) * size_of::<u16>();
        self.layers.iter().map(Vec::len).sum::<usize>() * block
    }

    /// Forgets all tokens but the first `length`; longer than it is it does not get.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
        for blocks in &mut self.layers {
            blocks.truncate(self.length.div_ceil(GROUP));
        }
    }

    /// Says that all layers have read `tokens` more.
    pub(super) fn advance(&mut self, tokens: usize) {
        self.length += tokens;
    }

    /// Writes keys and values of `count` tokens from position `first` on in a layer: `read` gives those of a token, by
    /// its number from zero, and of a head.
    pub(super) fn write(
        &mut self,
        layer: usize,
        first: usize,
        count: usize,
        read: impl Fn(usize, usize, &mut [f32], &mut [f32]) + Sync,
    ) {
        let (heads, width) = (self.heads, self.width);
        let wide = width.div_ceil(GROUP);
        let Some(blocks) = self.layers.get_mut(layer) else { return };
        while blocks.len() * GROUP < first + count {
            let zeros = |count| vec![[0; GROUP]; count];
            blocks.push(Arc::new(Block { keys: zeros(heads * width), values: zeros(heads * wide * GROUP) }));
        }
        let own = blocks.get_mut(first / GROUP..).unwrap_or_default();
        own.par_iter_mut().enumerate().for_each(|(at, block)| {
            let block = Arc::make_mut(block);
            let start = (first / GROUP + at) * GROUP;
            let (mut key, mut value) = (vec![0.0; width], vec![0.0; width]);
            for position in start.max(first)..(start + GROUP).min(first + count) {
                let column = position - start;
                for head in 0..heads {
                    read(position - first, head, &mut key, &mut value);
                    for (key, to) in key.iter().zip(block.keys.iter_mut().skip(head * width)) {
                        if let Some(to) = to.get_mut(column) {
                            *to = half_bits(*key);
                        }
                    }
                    for (part, value) in value.chunks(GROUP).enumerate() {
                        if let Some(to) = block.values.get_mut((head * wide + part) * GROUP + column) {
                            to.iter_mut().zip(value).for_each(|(to, value)| *to = half_bits(*value));
                        }
                    }
                }
            }
        });
    }

    /// The blocks of a layer, 32 tokens each; the last one may be filled in part.
    pub(super) fn blocks(&self, layer: usize) -> &[Arc<Block>] {
        self.layers.get(layer).map(Vec::as_slice).unwrap_or_default()
    }
}

impl Block {
    /// Keys of a head: `width` rows of 32 tokens.
    pub(super) fn keys(&self, head: usize, width: usize) -> &[[u16; GROUP]] {
        self.keys.get(head * width..(head + 1) * width).unwrap_or_default()
    }

    /// Values of a head: 32 tokens' rows of the dimensions from `32 * part`.
    pub(super) fn values(&self, head: usize, width: usize, part: usize) -> &[[u16; GROUP]] {
        let first = (head * width.div_ceil(GROUP) + part) * GROUP;
        self.values.get(first..first + GROUP).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::half;

    fn write(cache: &mut Cache, position: usize, key: f32, value: f32) {
        cache.write(0, position, 1, |_, _, keys, values| {
            keys.fill(key);
            values.fill(value);
        });
    }

    #[test]
    fn a_fork_does_not_see_what_the_other_writes() {
        let mut cache = Cache::new(1, 1, 32);
        for position in 0..40 {
            write(&mut cache, position, position as f32, 1.0);
        }
        let mut fork = cache.clone();
        assert!(Arc::ptr_eq(&cache.blocks(0)[1], &fork.blocks(0)[1]));
        write(&mut fork, 40, -1.0, -1.0);
        assert!(Arc::ptr_eq(&cache.blocks(0)[0], &fork.blocks(0)[0]));
        let row = |cache: &Cache| cache.blocks(0)[1].keys(0, 32)[5].map(|bits| half(bits) as i32);
        assert_eq!((row(&cache)[7], row(&cache)[8]), (39, 0));
        assert_eq!((row(&fork)[7], row(&fork)[8]), (39, -1));
        assert_eq!(fork.blocks(0)[1].values(0, 32, 0)[8].map(|bits| half(bits) as i32), [-1; 32]);
    }

    #[test]
    fn what_is_cut_off_is_written_again() {
        let mut cache = Cache::new(1, 1, 32);
        for position in 0..70 {
            write(&mut cache, position, 1.0, 1.0);
        }
        cache.advance(70);
        assert_eq!((cache.length(), cache.bytes()), (70, 3 * 32 * 64 * 2));
        cache.truncate(33);
        assert_eq!((cache.length(), cache.blocks(0).len()), (33, 2));
        cache.truncate(90);
        assert_eq!(cache.length(), 33);
    }
}
