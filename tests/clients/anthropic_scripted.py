"""The anthropic package for Python against a scripted generator that speaks its format, or another one."""

import anthropic
from pydantic import BaseModel
from scenario import *

client = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
assert [model.id for model in client.models.list()] == ["scripted"]
assert client.models.retrieve("scripted").display_name == "scripted"
create = client.messages.create
TOOLS = [{"name": "weather", "description": FUNCTION["description"], "input_schema": SCHEMA}]


def ask(text, **more):
    return {"model": "scripted", "max_tokens": 100, "messages": [{"role": "user", "content": text}], **more}


class City(BaseModel):
    city: str


def said(message):
    return "".join(block.text for block in message.content if block.type == "text")


answer = create(**ask(PLAIN, system="You know the harbour."))
assert said(answer) == SAID and answer.stop_reason == "end_turn", answer
assert (answer.usage.input_tokens, answer.usage.output_tokens) == (11, 7), answer
seen("plain")

with client.messages.stream(**ask(PLAIN)) as stream:
    pieces = list(stream.text_stream)
    final = stream.get_final_message()
assert "".join(pieces) == said(final) == SAID and len(pieces) > 1, pieces
assert final.stop_reason == "end_turn" and final.usage.output_tokens == 7, final
seen("stream", input_tokens=final.usage.input_tokens)

answer = create(**ask(WEATHER, tools=TOOLS))
[call] = [block for block in answer.content if block.type == "tool_use"]
assert (call.name, call.input, answer.stop_reason) == ("weather", {"city": "Kiel"}, "tool_use"), answer
with client.messages.stream(**ask(WEATHER, tools=TOOLS)) as stream:
    final = stream.get_final_message()
assert final.stop_reason == "tool_use" and final.content[-1].input == {"city": "Kiel"}, final
result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": RESULT}]}
history = [*ask(WEATHER)["messages"], {"role": "assistant", "content": answer.content}, result]
assert said(create(**ask("", tools=TOOLS) | {"messages": history})) == REPEATED
seen("tools")

parsed = client.messages.parse(**ask(CITY), output_format=City).parsed_output
assert parsed == City(city="Kiel"), parsed
seen("schema")

answer = create(**ask(WEAK))
assert answer.stop_reason == "refusal" and REFUSED in said(answer), answer
harmless(said(answer))
seen("blocked_answer")

with client.messages.stream(**ask(WEAK_CALL, tools=TOOLS)) as stream:
    final = stream.get_final_message()
for answer in (final, create(**ask(WEAK_CALL, tools=TOOLS))):
    assert answer.stop_reason == "refusal", answer
    assert all(block.type == "text" for block in answer.content), answer
    harmless(answer.to_json())
seen("blocked_call")

with client.messages.stream(**ask(WEAK)) as stream:
    text = "".join(stream.text_stream)
    final = stream.get_final_message()
assert final.stop_reason == "refusal" and REFUSED in text and text.startswith("Here is what you asked for."), final
harmless(text + final.to_json())
seen("blocked_stream", shows=f"`stop_reason` `{final.stop_reason}`")

for stream in (False, True):
    error = raised(anthropic.APIStatusError, lambda: create(**ask(FAILS, stream=stream)))
    assert error.status_code in (503, 529) and "the model has no time" in str(error), error
seen("failure", shows=f"`{type(error).__name__}`")

error = raised(anthropic.InternalServerError, lambda: create(**ask(CUT)))
assert error.status_code == 502 and error.body["error"]["code"] == "upstream_cut", error.body
pieces = []
with client.messages.stream(**ask(CUT)) as stream:
    error = raised(anthropic.APIStatusError, lambda: gathered(stream.text_stream, pieces))
assert BEGUN.startswith("".join(pieces).strip()) and pieces, pieces
assert error.body["error"]["code"] == "upstream_cut", error.body
seen("cut", shows=f"`{type(error).__name__}`, error type `{error.body['error']['type']}`")

error = raised(anthropic.NotFoundError, lambda: client.messages.count_tokens(model="scripted", messages=[]))
seen("count_tokens", shows=f"`{type(error).__name__}`")

if guarded:
    strict = anthropic.Anthropic(base_url=guarded, api_key="none")
    for stream in (False, True):
        error = raised(anthropic.BadRequestError, lambda: strict.messages.create(**ask(HARMFUL, stream=stream)))
        assert error.body["error"]["type"] == "invalid_request_error" and REFUSED in str(error), error.body
    shows = f"`{type(error).__name__}`, `error.code` `{error.body['error']['code']}`"
    seen("blocked_prompt", blocked=2, shows=shows)

seen("client", name="anthropic (Python)", version=anthropic.__version__)
