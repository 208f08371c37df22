//! A byte trie of vocabulary pieces: all pieces that start at a place are found in one walk.

/// An immutable trie from byte strings to numbers.
#[derive(Debug)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
    /// Edges of all nodes, those of one node side by side and sorted by byte.
    edges: Vec<(u8, u32)>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    first_edge: u32,
    edge_count: u16,
    value: Option<u32>,
}

impl Trie {
    /// Builds the trie. `entries` need not be sorted; of two equal keys the later wins; an empty key is ignored.
    pub(crate) fn new(mut entries: Vec<(&[u8], u32)>) -> Self {
        entries.retain(|(key, _)| !key.is_empty());
        entries.sort_by(|a, b| a.0.cmp(b.0));
        let mut trie = Self { nodes: vec![Node { first_edge: 0, edge_count: 0, value: None }], edges: Vec::new() };
        // Breadth first, so that a node's edges are written together.
        let mut queue = std::collections::VecDeque::from([(0_usize, 0_usize, entries.as_slice())]);
        while let Some((node, depth, mut range)) = queue.pop_front() {
            let first_edge = trie.edges.len() as u32;
            let mut value = None;
            while let Some((key, number)) = range.first() {
                if key.len() > depth {
                    break;
                }
                value = Some(*number);
                range = range.get(1..).unwrap_or_default();
            }
            while let Some(byte) = range.first().and_then(|(key, _)| key.get(depth)).copied() {
                let same = range.partition_point(|(key, _)| key.get(depth).copied() == Some(byte));
                let (group, rest) = range.split_at(same);
                let child = trie.nodes.len();
                trie.nodes.push(Node { first_edge: 0, edge_count: 0, value: None });
                trie.edges.push((byte, child as u32));
                queue.push_back((child, depth + 1, group));
                range = rest;
            }
            if let Some(place) = trie.nodes.get_mut(node) {
                *place = Node { first_edge, edge_count: (trie.edges.len() as u32 - first_edge) as u16, value };
            }
        }
        trie
    }

    /// All entries that `text` starts with, shortest first, as (length in bytes, value).
    pub(crate) fn prefixes<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (usize, u32)> + 'a {
        let mut node = self.nodes.first().copied();
        text.iter()
            .enumerate()
            .map_while(move |(at, byte)| {
                let here = node?;
                let first = here.first_edge as usize;
                let edges = self.edges.get(first..first + usize::from(here.edge_count))?;
                let edge = edges.binary_search_by_key(byte, |(label, _)| *label).ok()?;
                node = edges.get(edge).and_then(|(_, child)| self.nodes.get(*child as usize)).copied();
                Some(node?.value.map(|value| (at + 1, value)))
            })
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_is_found_shortest_first() {
        let trie = Trie::new(vec![(b"abc", 3), (b"a", 1), (b"ab", 2), (b"b", 9), ("é".as_bytes(), 7)]);
        assert_eq!(trie.prefixes(b"abd").collect::<Vec<_>>(), [(1, 1), (2, 2)]);
        assert_eq!(trie.prefixes(b"abcd").collect::<Vec<_>>(), [(1, 1), (2, 2), (3, 3)]);
        assert_eq!(trie.prefixes("éa".as_bytes()).collect::<Vec<_>>(), [(2, 7)]);
        assert_eq!(trie.prefixes(b"xyz").count(), 0);
        assert_eq!(trie.prefixes(b"").count(), 0);
    }
}
