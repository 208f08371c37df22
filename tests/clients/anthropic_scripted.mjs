// The @anthropic-ai/sdk package against a scripted generator that speaks its format, or another one.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";
import * as s from "./scenario.mjs";

const client = new Anthropic({ baseURL: s.url, apiKey: "none", maxRetries: 0 });
const create = (asked) => client.messages.create(asked);
const ask = (text, more = {}) => ({
  model: "scripted", max_tokens: 100, messages: [{ role: "user", content: text }], ...more,
});
const said = (message) => message.content.map((block) => block.text ?? "").join("");
const tools = [{ name: "weather", description: s.FUNCTION.description, input_schema: s.SCHEMA }];

let answer = await create(ask(s.PLAIN, { system: "You know the harbour." }));
assert.equal(said(answer), s.SAID);
assert.equal(answer.stop_reason, "end_turn");
assert.equal(answer.usage.input_tokens, 11);
assert.equal(answer.usage.output_tokens, 7);
s.seen("plain");

const texts = [];
answer = await client.messages.stream(ask(s.PLAIN)).on("text", (text) => texts.push(text)).finalMessage();
assert.equal(texts.join(""), s.SAID);
assert.ok(texts.length > 1, "it came in one piece");
assert.equal(said(answer), s.SAID);
assert.equal(answer.usage.output_tokens, 7);
s.seen("stream");

answer = await create(ask(s.WEATHER, { tools }));
const call = answer.content.find((block) => block.type === "tool_use");
assert.deepEqual([call.name, call.input, answer.stop_reason], ["weather", { city: "Kiel" }, "tool_use"]);
const streamed = await client.messages.stream(ask(s.WEATHER, { tools })).finalMessage();
assert.deepEqual([streamed.content.at(-1).input, streamed.stop_reason], [{ city: "Kiel" }, "tool_use"]);
const result = { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: s.RESULT }] };
const messages = [...ask(s.WEATHER).messages, { role: "assistant", content: answer.content }, result];
assert.equal(said(await create(ask("", { tools, messages }))), s.REPEATED);
s.seen("tools");

const held = { output_config: { format: zodOutputFormat(z.object({ city: z.string() })) } };
assert.deepEqual((await client.messages.parse(ask(s.CITY, held))).parsed_output, { city: "Kiel" });
s.seen("schema");

answer = await create(ask(s.WEAK));
assert.equal(answer.stop_reason, "refusal");
assert.match(said(answer), s.REFUSED);
s.harmless(said(answer));
s.seen("blocked_answer");

const calling = client.messages.stream(ask(s.WEAK_CALL, { tools })).finalMessage();
for (const message of [await calling, await create(ask(s.WEAK_CALL, { tools }))]) {
  assert.equal(message.stop_reason, "refusal");
  assert.ok(message.content.every((block) => block.type === "text"));
  s.harmless(JSON.stringify(message));
}
s.seen("blocked_call");

const events = await s.gathered(await create(ask(s.WEAK, { stream: true })));
s.harmless(JSON.stringify(events));
answer = await client.messages.stream(ask(s.WEAK)).finalMessage();
assert.equal(answer.stop_reason, "refusal");
assert.match(said(answer), s.REFUSED);
assert.ok(said(answer).startsWith("Here is what you asked for."), said(answer));
s.harmless(said(answer));
s.seen("blocked_stream", { shows: `\`stop_reason\` \`${answer.stop_reason}\`` });

let error;
for (const stream of [false, true]) {
  error = await s.raised(Anthropic.APIError, () => create(ask(s.FAILS, { stream })));
  assert.ok([503, 529].includes(error.status), error);
  assert.match(error.message, /the model has no time/);
}
s.seen("failure", { shows: `\`${error.constructor.name}\`` });

error = await s.raised(Anthropic.InternalServerError, () => create(ask(s.CUT)));
assert.equal(error.error.error.code, "upstream_cut");
const parts = [];
error = await s.raised(Anthropic.APIError, async () => s.gathered(await create(ask(s.CUT, { stream: true })), parts));
s.begun(parts.map((part) => part.delta?.text ?? "").join(""));
const type = error.error.error.type;
error = await s.raised(Anthropic.APIError, () => client.messages.stream(ask(s.CUT)).finalMessage());
s.seen("cut", { shows: `\`${error.constructor.name}\`, error type \`${type}\`` });

const counted = () => client.messages.countTokens({ model: "scripted", messages: ask(s.PLAIN).messages });
error = await s.raised(Anthropic.NotFoundError, counted);
s.seen("count_tokens", { shows: `\`${error.constructor.name}\`` });

if (s.guarded) {
  const strict = new Anthropic({ baseURL: s.guarded, apiKey: "none" });
  for (const stream of [false, true]) {
    error = await s.raised(Anthropic.BadRequestError, () => strict.messages.create(ask(s.HARMFUL, { stream })));
    assert.equal(error.error.error.type, "invalid_request_error");
    assert.match(error.message, s.REFUSED);
  }
  const code = error.error.error.code;
  s.seen("blocked_prompt", { blocked: 2, shows: `\`${error.constructor.name}\`, \`error.code\` \`${code}\`` });
}

s.client("@anthropic-ai/sdk", "@anthropic-ai/sdk");
