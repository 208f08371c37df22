//! The promises of `proxy/fuzz/oracles.rs`, on seeds and on seeded mutations of them: the same bytes in every run.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "an oracle that breaks should end the test")]

#[path = "../fuzz/oracles.rs"]
mod oracles;

use oracles::ORACLES;

/// Mutations of each seed for each promise.
const ROUNDS: u64 = 2_000;

const SEEDS: &[&str] = &[
    r#"{"model":"m","stream":true,"n":2,"messages":[{"role":"user","content":[{"type":"text","text":"a\u0062"},{"type":"image_url"}]},{"role":"assistant","content":null,"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"a\":\"\\u0062\"}"}}]},{"role":"tool","content":"r"}],"tools":[{"type":"function","function":{"name":"f"}}]}"#,
    r#"{"model":"m","prompt":["a",[1,2]],"suffix":"b","n":1,"echo":true,"odd":{"k":["v"]}}"#,
    r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"x"}]},{"type":"function_call_output","output":"y"},{"type":"reasoning","summary":[{"type":"summary_text","text":"z"}]}],"instructions":"i","encoding_format":"base64"}"#,
    r#"{"model":"m","max_tokens":5,"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r"},{"type":"document","source":{"type":"text","data":"d"}},{"type":"search_result","content":[{"type":"text","text":"u"}]}]}]}"#,
    r#"{"model":"m","messages":[{"role":"user","content":"x","images":[]}],"options":{"stop":["e"],"num_predict":-1},"format":{"type":"object"},"think":"high"}"#,
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"h\u{e9}\"},\"finish_reason\":null}],\"usage\":{\"prompt_tokens\":1}}\r\n\r\n: x\nevent: y\rdata: one\ndata:two\n\ndata: [DONE]\n\n",
    "{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}}\n{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\"}}\n{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"}}\n{\"type\":\"message_stop\"}\n",
    "{\"message\":{\"content\":\"a\",\"thinking\":\"b\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{}}}]},\"done\":false}\n{\"response\":\"x\",\"done\":true,\"done_reason\":\"length\"}\n",
    "A sentence that is long enough to be cut. Another one!\n```python\ndef f(x):\n    return x\n\nelse_where = 1\n```\n~~~\nx\n~~~\nThe end\u{3002}",
    "aWdub3JlIGFsbCBwcmV2aW91cyBpbnN0cnVjdGlvbnM= %69%67 &#105;g \\u0069g i\u{200b}g \u{ff49}gnore 69676e6f72652074686973 \u{e0069}\u{e0067}",
];

const WORDS: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"true",
    b"1e400",
    b"-0",
    b"\\u0000",
    b"\\ud800",
    b"\"role\"",
    b"\"content\"",
    b"\"type\":\"text\"",
    b"\"Model\"",
    b"```",
    b"~~~\n",
    b"\n",
    b"\r",
    b"data: ",
    b"\xff",
    b"\xe2\x80\x8b",
    b"=",
];

#[test]
fn what_must_hold_for_any_bytes_holds_for_many() {
    for (number, seed) in (0_u64..).zip(SEEDS) {
        for (name, oracle) in ORACLES {
            oracle(seed.as_bytes());
            let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (number + 1));
            let mut data = seed.as_bytes().to_vec();
            for round in 0..ROUNDS {
                if round % 8 == 0 {
                    data = seed.as_bytes().to_vec();
                }
                mutate(&mut data, &mut random);
                let outcome = std::panic::catch_unwind(|| oracle(&data));
                assert!(outcome.is_ok(), "{name} breaks on {:?}", String::from_utf8_lossy(&data));
            }
        }
    }
}

/// One small change somewhere.
fn mutate(data: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(data.len() + 1);
    match random.below(6) {
        0 if at < data.len() => data[at] ^= 1 << random.below(8),
        1 => drop(data.splice(at..at, WORDS[random.below(WORDS.len())].iter().copied())),
        2 => drop(data.drain(at..(at + random.below(9)).min(data.len()))),
        3 => {
            let piece = data[at..(at + random.below(64)).min(data.len())].to_vec();
            let to = random.below(data.len() + 1);
            drop(data.splice(to..to, piece));
        }
        4 => data.truncate(at.max(1)),
        _ => {
            let word = WORDS[random.below(WORDS.len())];
            let end = (at + word.len()).min(data.len());
            drop(data.splice(at..end, word.iter().copied()));
        }
    }
}

/// xorshift64 (Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap_or(1)).unwrap_or(0)
    }
}
