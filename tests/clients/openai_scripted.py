"""The openai package for Python against a scripted generator: every endpoint, and every way in which it goes wrong."""

import openai
from pydantic import BaseModel
from scenario import *

client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
create = client.chat.completions.create
TOOLS = [{"type": "function", "function": FUNCTION}]


def ask(text, **more):
    return {"model": "scripted", "messages": [{"role": "user", "content": text}], **more}


class City(BaseModel):
    city: str


def heard(chunks):
    """The text, the finish reason and the usage of streamed chunks."""
    choices = [choice for chunk in chunks for choice in chunk.choices]
    text = "".join(choice.delta.content or "" for choice in choices)
    reasons = [choice.finish_reason for choice in choices if choice.finish_reason]
    return text, reasons, [chunk.usage for chunk in chunks if chunk.usage]


assert [model.id for model in client.models.list()] == ["scripted"]
assert client.models.retrieve("scripted").id == "scripted"
seen("models")

raw = client.chat.completions.with_raw_response.create(**ask(PLAIN))
answer = raw.parse()
assert answer.choices[0].message.content == SAID and answer.choices[0].finish_reason == "stop", answer
assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (11, 7, 18)
assert answer.id.removeprefix("chatcmpl-") == raw.headers["x-ringfence-decision"].replace("-", "")
seen("plain")

chunks = list(create(**ask(PLAIN, stream=True)))
assert heard(chunks) == (SAID, ["stop"], []), chunks
assert sum(bool(chunk.choices[0].delta.content) for chunk in chunks) > 1, "it came in one piece"
_, _, usage = heard(list(create(**ask(PLAIN, stream=True, stream_options={"include_usage": True}))))
assert [used.total_tokens for used in usage] == [18]
with client.chat.completions.stream(**ask(PLAIN)) as stream:
    assert stream.get_final_completion().choices[0].message.content == SAID
seen("stream")

message = create(**ask(WEATHER, tools=TOOLS)).choices[0].message
[call] = message.tool_calls
assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Kiel"}), call
with client.chat.completions.stream(**ask(WEATHER, tools=TOOLS)) as stream:
    final = stream.get_final_completion().choices[0]
    assert final.finish_reason == "tool_calls" and final.message.tool_calls[0].id == call.id, final
    assert final.message.tool_calls[0].function.arguments == call.function.arguments, final
result = {"role": "tool", "tool_call_id": call.id, "content": RESULT}
answer = create(**ask("") | {"messages": [*ask(WEATHER)["messages"], message, result]}, tools=TOOLS)
assert answer.choices[0].message.content == REPEATED, answer
seen("tools")

parsed = client.chat.completions.parse(**ask(CITY), response_format=City).choices[0].message.parsed
assert parsed == City(city="Kiel"), parsed
seen("schema")

[choice] = create(**ask(WEAK)).choices
assert choice.finish_reason == "content_filter" and REFUSED in choice.message.content, choice
harmless(choice.message.content)
raised(openai.ContentFilterFinishReasonError, lambda: client.chat.completions.parse(**ask(WEAK)))
seen("blocked_answer")

choice = create(**ask(WEAK_CALL, tools=TOOLS)).choices[0]
assert choice.finish_reason == "content_filter" and not choice.message.tool_calls, choice
chunks = list(create(**ask(WEAK_CALL, tools=TOOLS, stream=True)))
assert heard(chunks)[1] == ["content_filter"], chunks
assert not any(choice.delta.tool_calls for chunk in chunks for choice in chunk.choices), chunks
seen("blocked_call")

text, reasons, usage = heard(list(create(**ask(WEAK, stream=True, stream_options={"include_usage": True}))))
assert reasons == ["content_filter"] and REFUSED in text and len(usage) == 1, text
assert text.startswith("Here is what you asked for."), text
harmless(text)
seen("blocked_stream", shows=f"`finish_reason` `{reasons[0]}`")

for stream in (False, True):
    error = raised(openai.InternalServerError, lambda: create(**ask(FAILS, stream=stream)))
    assert error.status_code == 503 and error.body["message"] == "the model has no time", error
seen("failure", shows=f"`{type(error).__name__}`, status {error.status_code}")

error = raised(openai.InternalServerError, lambda: create(**ask(CUT)))
assert (error.status_code, error.code) == (502, "upstream_cut"), error
chunks = []
error = raised(openai.APIError, lambda: gathered(create(**ask(CUT, stream=True)), chunks))
text, reasons, _ = heard(chunks)
assert BEGUN.startswith(text.strip()) and text and not reasons, chunks
seen("cut", shows=f"`{type(error).__name__}`, `code` `{error.code}`")

if guarded:
    strict = openai.OpenAI(base_url=f"{guarded}/v1", api_key="none")
    for stream in (False, True):
        error = raised(openai.BadRequestError, lambda: strict.chat.completions.create(**ask(HARMFUL, stream=stream)))
        assert error.code == "content_filter" and error.param == "prompt", error.body
        assert error.body["innererror"]["code"] == "ResponsibleAIPolicyViolation", error.body
    error = raised(openai.BadRequestError, lambda: strict.responses.create(model="scripted", input=HARMFUL))
    assert error.code == "content_filter", error
    seen("blocked_prompt", blocked=3, shows=f"`{type(error).__name__}`, `code` `{error.code}`")
    harmful, fine = strict.moderations.create(input=[HARMFUL, PLAIN]).results
    assert harmful.flagged and not fine.flagged and max(harmful.category_scores.to_dict().values()) > 0.5, harmful
    seen("moderations", blocked=1)

answer = client.completions.create(model="scripted", prompt=PLAIN)
assert answer.choices[0].text == SAID and answer.usage.total_tokens == 18, answer
pieces = list(client.completions.create(model="scripted", prompt=PLAIN, stream=True))
assert "".join(choice.text for piece in pieces for choice in piece.choices) == SAID, pieces
answer = client.completions.create(model="scripted", prompt=WEAK)
assert answer.choices[0].finish_reason == "content_filter", answer
harmless(answer.choices[0].text)
seen("completions")

answer = client.responses.create(model="scripted", input=PLAIN)
assert answer.output_text == SAID and answer.status == "completed" and answer.usage.total_tokens == 18, answer
with client.responses.stream(model="scripted", input=PLAIN) as stream:
    events = list(stream)
    assert stream.get_final_response().output_text == SAID, events
assert events[-1].type == "response.completed", events[-1]
assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == SAID, events
tools = [{"type": "function", "strict": False, **FUNCTION}]
answer = client.responses.create(model="scripted", input=WEATHER, tools=tools)
[call] = [item for item in answer.output if item.type == "function_call"]
assert json.loads(call.arguments) == {"city": "Kiel"}, call
with client.responses.stream(model="scripted", input=WEATHER, tools=tools) as stream:
    assert [item.arguments for item in stream.get_final_response().output] == [call.arguments]
result = {"type": "function_call_output", "call_id": call.call_id, "output": RESULT}
history = [{"role": "user", "content": WEATHER}, *answer.output, result]
assert client.responses.create(model="scripted", input=history, tools=tools).output_text == REPEATED
assert client.responses.parse(model="scripted", input=CITY, text_format=City).output_parsed == City(city="Kiel")
events = list(client.responses.create(model="scripted", input=WEAK_CALL, tools=tools, stream=True))
assert events[-1].type == "response.incomplete", events[-1]
assert all(item.type == "message" for item in events[-1].response.output), events[-1]
harmless("".join(event.to_json() for event in events))
answer = client.responses.create(model="scripted", input=WEAK)
assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "content_filter"), answer
harmless(answer.output_text)
events = list(client.responses.create(model="scripted", input=WEAK, stream=True))
assert events[-1].type == "response.incomplete", events[-1]
assert events[-1].response.incomplete_details.reason == "content_filter", events[-1]
harmless("".join(event.to_json() for event in events))
events = []
asked = {"model": "scripted", "input": CUT, "stream": True}
error = raised(openai.APIError, lambda: gathered(client.responses.create(**asked), events))
assert error.code == "upstream_cut" and events[-1].type == "response.output_text.delta", (error, events)
seen("responses", shows=f"`{type(error).__name__}`, `code` `{error.code}`")

for packed in ({}, {"encoding_format": "float"}):
    answer = client.embeddings.create(model="scripted", input=["one", "two"], **packed)
    assert [item.embedding for item in answer.data] == [[0.0, -0.5, 0.25], [1.0, -0.5, 0.25]], answer
    assert answer.usage.prompt_tokens == 11, answer
seen("embeddings")

for call in (client.embeddings.create, client.completions.create):
    given = {"input" if call == client.embeddings.create else "prompt": [[1, 2, 3]]}
    error = raised(openai.BadRequestError, lambda: call(model="scripted", **given))
seen("token_ids", shows=f"`{type(error).__name__}`, `code` `{error.code}`")

error = raised(openai.BadRequestError, lambda: client.responses.create(model="m", input="x", previous_response_id="y"))
assert error.param == "previous_response_id", error
raised(openai.NotFoundError, lambda: client.responses.retrieve("scripted"))
raised(openai.NotFoundError, lambda: client.models.retrieve("another"))
seen("not_served")

seen("client", name="openai (Python)", version=openai.__version__)
