"""The ollama package for Python against a scripted generator that speaks its formats, or another one."""

from importlib.metadata import version

import ollama
from scenario import *

client = ollama.Client(host=url)
TOOLS = [{"type": "function", "function": FUNCTION}]


def ask(text, **more):
    return {"model": "scripted", "messages": [{"role": "user", "content": text}], **more}


def heard(parts):
    return "".join(part.message.content or "" for part in parts)


assert [model.model for model in client.list().models] == ["scripted"]
assert "completion" in client.show("scripted").capabilities
seen("models")

answer = client.chat(**ask(PLAIN, options={"num_ctx": 4096}, keep_alive="5m"))
assert answer.message.content == SAID and answer.done and answer.done_reason == "stop", answer
assert (answer.prompt_eval_count, answer.eval_count) == (11, 7), answer
seen("plain")

parts = list(client.chat(**ask(PLAIN, stream=True)))
assert heard(parts) == SAID and len(parts) > 2, parts
assert [part.done_reason for part in parts if part.done] == ["stop"] and parts[-1].eval_count == 7, parts[-1]
seen("stream")

message = client.chat(**ask(WEATHER, tools=TOOLS)).message
[call] = message.tool_calls
assert (call.function.name, call.function.arguments) == ("weather", {"city": "Kiel"}), call
parts = list(client.chat(**ask(WEATHER, tools=TOOLS, stream=True)))
assert [call.function.name for part in parts for call in part.message.tool_calls or []] == ["weather"], parts
result = {"role": "tool", "tool_name": "weather", "content": RESULT}
answer = client.chat(model="scripted", messages=[*ask(WEATHER)["messages"], message, result], tools=TOOLS)
assert answer.message.content == REPEATED, answer
seen("tools")

answer = client.chat(**ask(CITY, format=SCHEMA))
assert json.loads(answer.message.content) == {"city": "Kiel"}, answer
seen("schema")

answer = client.chat(**ask(WEAK))
assert answer.done_reason == "content_filter" and REFUSED in answer.message.content, answer
harmless(answer.message.content)
seen("blocked_answer")

parts = list(client.chat(**ask(WEAK_CALL, tools=TOOLS, stream=True)))
for answer in (*parts, client.chat(**ask(WEAK_CALL, tools=TOOLS))):
    assert not answer.message.tool_calls and answer.done_reason in (None, "content_filter"), answer
seen("blocked_call")

parts = list(client.chat(**ask(WEAK, stream=True)))
text = heard(parts)
assert parts[-1].done and REFUSED in text and text.startswith("Here is what you asked for."), parts
harmless(text)
seen("blocked_stream", shows=f"`done_reason` `{parts[-1].done_reason}`")

for stream in (False, True):
    error = raised(ollama.ResponseError, lambda: gathered(client.chat(**ask(FAILS, stream=stream)), []))
    assert error.status_code == 503 and error.error == "the model has no time", error
seen("failure", shows=f"`{type(error).__name__}`, status {error.status_code}")

error = raised(ollama.ResponseError, lambda: client.chat(**ask(CUT)))
assert error.status_code == 502, error
parts = []
error = raised(ollama.ResponseError, lambda: gathered(client.chat(**ask(CUT, stream=True)), parts))
assert BEGUN.startswith(heard(parts).strip()) and parts and not any(part.done for part in parts), parts
seen("cut", shows=f"`{type(error).__name__}`, \"{error.error}\"")

answer = client.generate(model="scripted", prompt=PLAIN, system="You know the harbour.")
assert answer.response == SAID and answer.done_reason == "stop" and answer.eval_count == 7, answer
parts = list(client.generate(model="scripted", prompt=PLAIN, stream=True))
assert "".join(part.response for part in parts) == SAID and parts[-1].done, parts
parts = list(client.generate(model="scripted", prompt=WEAK, stream=True))
assert parts[-1].done_reason == "content_filter", parts[-1]
harmless("".join(part.response for part in parts))
seen("generate")

answer = client.embed(model="scripted", input=["one", "two"])
assert answer.embeddings == [[0.0, -0.5, 0.25], [1.0, -0.5, 0.25]], answer
seen("embed")

error = raised(ollama.ResponseError, lambda: client.pull("scripted"))
assert error.status_code == 404, error
seen("pull", shows=f"`{type(error).__name__}`, status {error.status_code}")

if guarded:
    strict = ollama.Client(host=guarded)
    for stream in (False, True):
        error = raised(ollama.ResponseError, lambda: gathered(strict.chat(**ask(HARMFUL, stream=stream)), []))
        assert error.status_code == 400 and REFUSED in error.error, error
    seen("blocked_prompt", blocked=2, shows=f"`{type(error).__name__}`, status {error.status_code}")

seen("client", name="ollama (Python)", version=version("ollama"))
