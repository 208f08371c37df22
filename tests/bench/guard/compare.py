"""ringfence and llama.cpp in turn on the same model files: what a guard does, and how much faster.

    compare.py RINGFENCE ROUNDS THREADS FILE...

Both have the prefix of a verdict cached. Each round starts both anew; the printed figures are medians over the rounds, and
the ratio is the median of the rounds' ratios, so that what else the machine does weighs on both alike.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

PREFIX, NEW = 600, 100
# The figure's name, and whether less is better.
FIGURES = {"verdict_ms": True, "prefill128_tok_s": False, "prefill512_tok_s": False, "decode_tok_s": False}
OTHERS = ["int8_peak_share", "load_ms", "peak_rss_mb"]


def rival(path: str, threads: int) -> dict:
    """llama.cpp's figures for a file, measured as ringfence measures its own."""
    import random
    import resource

    from llama_cpp import Llama

    started = time.perf_counter()
    model = Llama(path, n_ctx=1024, n_batch=512, n_threads=threads, n_threads_batch=threads, verbose=False)
    figures = {"load_ms": (time.perf_counter() - started) * 1e3}
    draw = random.Random(1)
    size = model.n_vocab()

    def tokens(count: int) -> list[int]:
        return [draw.randrange(size) for _ in range(count)]

    def timed(run) -> float:
        run()
        times, began = [], time.perf_counter()
        while len(times) < 5 or (len(times) < 100 and time.perf_counter() - began < 3):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        return median(times)

    model.eval(tokens(PREFIX))
    new = tokens(NEW)

    def verdict() -> None:
        model.n_tokens = PREFIX  # what stands behind is dropped by the next `eval`
        model.eval(new)

    figures["verdict_ms"] = timed(verdict) * 1e3
    for count in (128, 512):
        prompt = tokens(count)

        def prefill() -> None:
            model.n_tokens = 0
            model.eval(prompt)

        figures[f"prefill{count}_tok_s"] = count / timed(prefill)
    model.n_tokens = 0
    model.eval(tokens(100))
    figures["decode_tok_s"] = 1 / timed(lambda: model.eval(tokens(1)))
    figures["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


def run(*command: str) -> dict:
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main() -> None:
    program, rounds, threads, *files = sys.argv[1:]
    for file in files:
        ours, theirs = [], []
        for _ in range(int(rounds)):
            ours.append(run(program, "bench", "guard", "--model", file, "--prefix", str(PREFIX), "--new", str(NEW),
                            "--threads", threads, "--format", "json"))
            theirs.append(run(sys.executable, __file__, "--rival", file, threads))
        name = Path(file).stem
        print(f"\n{name}, {Path(file).stat().st_size / 1e6:.0f} MB, {threads} threads, {rounds} rounds")
        print(f"{'':20}{'ringfence':>12}{'llama.cpp':>12}{'faster':>10}")
        ratios = {}
        for figure, less in FIGURES.items():
            pairs = [(one[figure], other[figure]) for one, other in zip(ours, theirs)]
            ratios[figure] = median(other / one if less else one / other for one, other in pairs)
            left, right = (median(values) for values in zip(*pairs))
            print(f"{figure:20}{left:12.1f}{right:12.1f}{ratios[figure]:9.2f}x")
        for figure in OTHERS:
            left = median(one[figure] or float("nan") for one in ours)
            right = median(other.get(figure, float("nan")) for other in theirs)
            print(f"{figure:20}{left:12.2f}{right:12.2f}")
        print(json.dumps({"model": name, "threads": int(threads), "ratios": ratios}))


if __name__ == "__main__":
    if sys.argv[1] == "--rival":
        print(json.dumps(rival(sys.argv[2], int(sys.argv[3]))))
    else:
        main()
