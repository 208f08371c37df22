"""Runs the bypass suite against LiteLLM with its own content filter, given the suite's forbidden strings.

usage: tests/bypass/peer/run_litellm.py [directory for its files]

Needs a virtual environment with `litellm[proxy]` at target/peer/venv:

    python3 -m venv target/peer/venv && target/peer/venv/bin/pip install 'litellm[proxy]==1.108.7' pyyaml
    target/peer/venv/bin/python tests/bypass/peer/run_litellm.py
"""

import os
import pathlib
import subprocess
import sys
import time
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
SUITE = ROOT / "tests" / "bypass"
PROXY, UPSTREAM = "127.0.0.1:14000", "127.0.0.1:14001"
DIALECTS = ["openai-chat", "openai-completions", "openai-responses", "openai-embeddings", "anthropic-messages"]
# What a dialect's models are called at LiteLLM: by the prefix it picks the provider, and so the format upstream.
PROVIDERS = {
    "openai-chat": "openai",
    "openai-completions": "text-completion-openai",
    "openai-responses": "openai",
    "openai-embeddings": "openai",
    "anthropic-messages": "anthropic",
}


def forbidden():
    """Every forbidden string of the suite that is no code: for code the peer has no rules."""
    payloads = yaml.safe_load((SUITE / "payloads.yaml").read_text())
    words = [payload["forbidden"] for name, payload in payloads.items() if name not in ("code", "harm")]
    for sets in yaml.safe_load((SUITE / "classes" / "e.yaml").read_text())["sets"]:
        words += sets.get("tokens", [])
    return sorted(set(words))


def config():
    models = []
    for dialect in DIALECTS:
        model = yaml.safe_load((SUITE / "dialects" / f"{dialect}.yaml").read_text())["model"]
        provider = PROVIDERS[dialect]
        base = f"http://{UPSTREAM}" + ("" if provider == "anthropic" else "/v1")
        params = {"model": f"{provider}/{model}-*", "api_base": base, "api_key": "none"}
        models.append({"model_name": f"{model}-*", "litellm_params": params})
    words = [{"keyword": word, "action": "BLOCK"} for word in forbidden()]
    guardrail = {
        "guardrail_name": "suite",
        "litellm_params": {
            "guardrail": "litellm_content_filter",
            "mode": ["pre_call", "post_call"],
            "default_on": True,
            "blocked_words": words,
        },
    }
    settings = {"num_retries": 0, "request_timeout": 30, "telemetry": False}
    return {"model_list": models, "guardrails": [guardrail], "litellm_settings": settings}


def wait(server):
    for _ in range(180):
        if server.poll() is not None:
            sys.exit("litellm ended before it was ready; see litellm.log")
        try:
            urllib.request.urlopen(f"http://{PROXY}/health/liveliness", timeout=2)
            return
        except OSError:
            time.sleep(1)
    sys.exit("litellm is not ready after three minutes; see litellm.log")


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target" / "peer"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "litellm.yaml").write_text(yaml.safe_dump(config(), allow_unicode=True, sort_keys=False))
    host, port = PROXY.split(":")
    program = pathlib.Path(sys.executable).parent / "litellm"
    command = [program, "--config", folder / "litellm.yaml", "--host", host, "--port", port]
    # On loopback and for the length of one run it needs no key of its own.
    open_door = {"LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}
    environment = os.environ | open_door | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    with open(folder / "litellm.log", "w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        wait(server)
        environment = os.environ | {
            "BYPASS_URL": f"http://{PROXY}",
            "BYPASS_UPSTREAM": UPSTREAM,
            "BYPASS_DIALECTS": ",".join(DIALECTS),
            "BYPASS_REPORT": str(folder / "litellm.tsv"),
        }
        test = ["cargo", "test", "--workspace", "--test", "bypass", "--", "--nocapture"]
        return subprocess.run(test, cwd=ROOT, env=environment).returncode
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    sys.exit(main())
