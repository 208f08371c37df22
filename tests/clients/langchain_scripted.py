"""The langchain-openai package against a scripted generator."""

from importlib.metadata import version

import openai
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from scenario import *


def chat(root, **more):
    return ChatOpenAI(base_url=f"{root}/v1", api_key="none", model="scripted", **more)


model = chat(url, max_retries=0)
tool = {"type": "function", "function": FUNCTION}

answer = model.invoke(PLAIN)
assert answer.content == SAID and answer.response_metadata["finish_reason"] == "stop", answer
assert answer.usage_metadata["total_tokens"] == 18, answer
seen("plain")

pieces = list(model.stream(PLAIN, stream_usage=True))
assert "".join(piece.content for piece in pieces) == SAID and sum(bool(piece.content) for piece in pieces) > 1, pieces
assert [piece.usage_metadata["total_tokens"] for piece in pieces if piece.usage_metadata] == [18], pieces
seen("stream")

able = model.bind_tools([tool])
answer = able.invoke(WEATHER)
[call] = answer.tool_calls
assert (call["name"], call["args"]) == ("weather", {"city": "Kiel"}), answer
whole = None
for piece in able.stream(WEATHER):
    whole = piece if whole is None else whole + piece
assert [(each["name"], each["args"]) for each in whole.tool_calls] == [("weather", {"city": "Kiel"})], whole
history = [HumanMessage(WEATHER), answer, ToolMessage(RESULT, tool_call_id=call["id"])]
assert able.invoke(history).content == REPEATED
seen("tools")

assert model.with_structured_output({"title": "City", **SCHEMA}).invoke(CITY) == {"city": "Kiel"}
seen("schema")

answer = model.invoke(WEAK)
assert answer.response_metadata["finish_reason"] == "content_filter" and REFUSED in answer.content, answer
harmless(answer.content)
seen("blocked_answer")

for answer in (able.invoke(WEAK_CALL), *able.stream(WEAK_CALL)):
    assert not answer.tool_calls and not answer.invalid_tool_calls, answer
    assert answer.response_metadata.get("finish_reason", "content_filter") == "content_filter", answer
seen("blocked_call")

pieces = list(model.stream(WEAK))
text = "".join(piece.content for piece in pieces)
reasons = [piece.response_metadata["finish_reason"] for piece in pieces if "finish_reason" in piece.response_metadata]
assert reasons == ["content_filter"] and REFUSED in text, pieces
harmless(text)
seen("blocked_stream", shows=f"`response_metadata` `finish_reason` `{reasons[0]}`")

for call in (lambda: model.invoke(FAILS), lambda: list(model.stream(FAILS))):
    error = raised(openai.InternalServerError, call)
    assert error.status_code == 503, error
seen("failure", shows=f"`{type(error).__name__}`, status {error.status_code}")

error = raised(openai.InternalServerError, lambda: model.invoke(CUT))
assert error.status_code == 502, error
pieces = []
error = raised(openai.APIError, lambda: gathered(model.stream(CUT), pieces))
assert BEGUN.startswith("".join(piece.content for piece in pieces).strip()) and pieces, pieces
seen("cut", shows=f"`{type(error).__name__}`, `code` `{error.code}`")

# By default it sends token ids, which nobody here reads; with this switch it sends text.
vectors = OpenAIEmbeddings(base_url=f"{url}/v1", api_key="none", model="scripted", check_embedding_ctx_length=False)
assert vectors.embed_documents(["one", "two"]) == [[0.0, -0.5, 0.25], [1.0, -0.5, 0.25]]
seen("embeddings")

if guarded:
    strict = chat(guarded)
    for call in (lambda: strict.invoke(HARMFUL), lambda: list(strict.stream(HARMFUL))):
        error = raised(openai.BadRequestError, call)
        assert error.code == "content_filter", error
    seen("blocked_prompt", blocked=2, shows=f"`{type(error).__name__}`, `code` `{error.code}`")

seen("client", name="langchain-openai", version=version("langchain-openai"))
