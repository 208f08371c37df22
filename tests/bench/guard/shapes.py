"""Model files of real shapes with random weights: for speed, memory and loading, not for meaning.

    shapes.py FOLDER NAME...

Names are keys of SHAPES below. Blocks are drawn once and repeated, so that a file of gigabytes takes seconds.
"""

import sys
from pathlib import Path

import gguf
import numpy as np

Q = gguf.GGMLQuantizationType

# layers, width, heads, key heads, inner width, vocabulary, head's width of rotation base, weights, and what every second
# value and down projection and the embeddings have (as the usual mixtures do).
ONE_B = dict(layers=16, width=2048, heads=32, keys=8, inner=8192, vocabulary=128256)
EIGHT_B = dict(layers=4, width=4096, heads=32, keys=8, inner=14336, vocabulary=128256)
SHAPES = {
    "1b-q4_k": (ONE_B, Q.Q4_K, Q.Q6_K),
    "1b-q8_0": (ONE_B, Q.Q8_0, Q.Q8_0),
    "1b-q4_0": (ONE_B, Q.Q4_0, Q.Q6_K),
    "8b-4layers-q4_k": (EIGHT_B, Q.Q4_K, Q.Q6_K),
}


def blocks(kind: Q, rng: np.random.Generator, count: int = 4096) -> np.ndarray:
    """Random blocks of a type whose weights are about 0.02 in size."""
    _, size = gguf.GGML_QUANT_SIZES[kind]
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)

    def half(at: int, value: float) -> None:
        data[:, at : at + 2] = np.frombuffer(np.float16(value).tobytes(), dtype=np.uint8)

    if kind == Q.Q4_K:  # scale and offset in steps of up to 63; the offset is half of 15 steps
        half(0, 0.02 / 8 / 32)
        half(2, 0.02 / 32)
        # Six-bit steps: scale and offset of each group alike, so that weights lie round zero.
        data[:, 8:12] = data[:, 4:8]
        data[:, 12:16] = (data[:, 12:16] & 15) * 17
    elif kind == Q.Q6_K:
        half(208, 0.02 / 16 / 64)
    elif kind == Q.Q8_0:
        half(0, 0.02 / 64)
    elif kind == Q.Q4_0:
        half(0, 0.02 / 4)
    else:
        raise ValueError(f"no random blocks of {kind.name} here")
    return data


def write(path: Path, shape: dict, main: Q, other: Q) -> None:
    rng = np.random.default_rng(1)
    drawn = {kind: blocks(kind, rng).reshape(-1) for kind in {main, other}}
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(shape["layers"])
    writer.add_context_length(131072)
    writer.add_embedding_length(shape["width"])
    writer.add_feed_forward_length(shape["inner"])
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["keys"])
    writer.add_rope_dimension_count(shape["width"] // shape["heads"])
    writer.add_rope_freq_base(500000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(shape["vocabulary"])
    # The tokens are only numbers: llama.cpp takes a file without a vocabulary, and so do we.
    writer.add_tokenizer_model("no_vocab")

    def matrix(name: str, kind: Q, rows: int, columns: int) -> None:
        block, size = gguf.GGML_QUANT_SIZES[kind]
        row = columns // block * size
        data = np.resize(drawn[kind], rows * row).reshape(rows, row)
        writer.add_tensor(name, data, raw_dtype=kind)

    def ones(name: str) -> None:
        writer.add_tensor(name, np.ones(shape["width"], dtype=np.float32))

    width, inner = shape["width"], shape["inner"]
    keys = width // shape["heads"] * shape["keys"]
    matrix("token_embd.weight", other, shape["vocabulary"], width)
    ones("output_norm.weight")
    for layer in range(shape["layers"]):
        name = f"blk.{layer}."
        late = other if layer % 2 else main
        ones(name + "attn_norm.weight")
        ones(name + "ffn_norm.weight")
        matrix(name + "attn_q.weight", main, width, width)
        matrix(name + "attn_k.weight", main, keys, width)
        matrix(name + "attn_v.weight", late, keys, width)
        matrix(name + "attn_output.weight", main, width, width)
        matrix(name + "ffn_gate.weight", main, inner, width)
        matrix(name + "ffn_up.weight", main, inner, width)
        matrix(name + "ffn_down.weight", late, width, inner)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for wanted in sys.argv[2:] or SHAPES:
        target = folder / f"{wanted}.gguf"
        if not target.exists():
            write(target, *SHAPES[wanted])
        print(target, round(target.stat().st_size / 1e6), "MB")
