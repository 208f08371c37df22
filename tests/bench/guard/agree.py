"""Whether ringfence and llama.cpp say the same: 50 prompts to a model with real weights.

    agree.py LOGITS FILE

LOGITS is the program `cargo build --release -p guard-model --example logits` makes. Both round inputs to eight bits, in
blocks of their own, so single logits differ: what is compared is the odds of the next token (Kullback and Leibler's
divergence, in nats), whether the likeliest token is the same, and how much of a greedy answer of 24 tokens is.
Fails when the mean divergence is above 0.02 nats or fewer than 45 of the likeliest tokens agree.
"""

import json
import subprocess
import sys
from statistics import mean

import numpy as np
from llama_cpp import Llama

SUBJECTS = ["a lighthouse", "the moon", "bread", "a violin", "winter", "a bank account", "a password", "the sea", "chess", "a vaccine"]
QUESTIONS = ["What is {}?", "Tell me a story about {}.", "Write one line of Python that prints {}.",
             "Why do people care about {}? Answer in one sentence.", "Is it dangerous to know much about {}?"]
LENGTH = 24


def odds(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


def main() -> None:
    program, file = sys.argv[1:]
    model = Llama(file, n_ctx=512, n_batch=512, logits_all=True, verbose=False)
    prompts = []
    for subject in SUBJECTS:
        for question in QUESTIONS:
            text = f"<|im_start|>user\n{question.format(subject)}<|im_end|>\n<|im_start|>assistant\n"
            prompts.append(model.tokenize(text.encode(), add_bos=False, special=True))
    lines = "".join(" ".join(map(str, prompt)) + "\n" for prompt in prompts)
    answers = subprocess.run([program, file, str(LENGTH)], input=lines, check=True, capture_output=True, text=True)
    divergences, same, shared = [], 0, []
    for prompt, line in zip(prompts, answers.stdout.splitlines()):
        ours = json.loads(line)
        model.reset()
        model.eval(prompt)
        expected, found = odds(model.scores[len(prompt) - 1]), odds(np.array(ours["logits"]))
        divergences.append(float((np.exp(expected) * (expected - found)).sum()))
        same += int(expected.argmax() == found.argmax())
        equal = 0
        for token in ours["greedy"]:
            if token != int(model.scores[model.n_tokens - 1].argmax()):
                break
            equal += 1
            model.eval([token])
        shared.append(equal)
    print(f"next token's odds: mean divergence {mean(divergences):.5f} nats, worst {max(divergences):.5f}")
    print(f"likeliest token the same: {same} of {len(prompts)}")
    print(f"greedy answers: {sum(equal == LENGTH for equal in shared)} of {len(prompts)} the same to the end, "
          f"{mean(shared):.1f} of {LENGTH} tokens on average")
    if mean(divergences) > 0.02 or same < 45:
        sys.exit("they do not agree")


if __name__ == "__main__":
    main()
