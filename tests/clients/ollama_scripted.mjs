// The ollama package for Node against a scripted generator that speaks its formats, or another one.
import assert from "node:assert/strict";
import { Ollama } from "ollama";
import * as s from "./scenario.mjs";

const client = new Ollama({ host: s.url });
const ask = (text, more = {}) => ({ model: "scripted", messages: [{ role: "user", content: text }], ...more });
const heard = (parts) => parts.map((part) => part.message.content ?? "").join("");
const tools = [{ type: "function", function: s.FUNCTION }];

assert.deepEqual((await client.list()).models.map((model) => model.name), ["scripted"]);
assert.ok((await client.show({ model: "scripted" })).capabilities.includes("completion"));
s.seen("models");

let answer = await client.chat(ask(s.PLAIN, { options: { num_ctx: 4096 }, keep_alive: "5m" }));
assert.equal(answer.message.content, s.SAID);
assert.deepEqual([answer.done, answer.done_reason], [true, "stop"]);
assert.deepEqual([answer.prompt_eval_count, answer.eval_count], [11, 7]);
s.seen("plain");

let parts = await s.gathered(await client.chat(ask(s.PLAIN, { stream: true })));
assert.equal(heard(parts), s.SAID);
assert.ok(parts.length > 2, "it came in one piece");
assert.deepEqual([parts.at(-1).done_reason, parts.at(-1).eval_count], ["stop", 7]);
s.seen("stream");

const { message } = await client.chat(ask(s.WEATHER, { tools }));
const [call] = message.tool_calls;
assert.deepEqual([call.function.name, call.function.arguments], ["weather", { city: "Kiel" }]);
parts = await s.gathered(await client.chat(ask(s.WEATHER, { tools, stream: true })));
const calls = parts.flatMap((part) => part.message.tool_calls ?? []);
assert.deepEqual(calls.map((each) => each.function.arguments), [{ city: "Kiel" }]);
const result = { role: "tool", tool_name: "weather", content: s.RESULT };
answer = await client.chat(ask("", { tools, messages: [...ask(s.WEATHER).messages, message, result] }));
assert.equal(answer.message.content, s.REPEATED);
s.seen("tools");

answer = await client.chat(ask(s.CITY, { format: s.SCHEMA }));
assert.deepEqual(JSON.parse(answer.message.content), { city: "Kiel" });
s.seen("schema");

answer = await client.chat(ask(s.WEAK));
assert.equal(answer.done_reason, "content_filter");
assert.match(answer.message.content, s.REFUSED);
s.harmless(answer.message.content);
s.seen("blocked_answer");

parts = await s.gathered(await client.chat(ask(s.WEAK_CALL, { tools, stream: true })));
for (const part of [...parts, await client.chat(ask(s.WEAK_CALL, { tools }))]) {
  assert.equal(part.message.tool_calls, undefined);
  assert.ok(!part.done || part.done_reason === "content_filter");
}
s.seen("blocked_call");

parts = await s.gathered(await client.chat(ask(s.WEAK, { stream: true })));
assert.equal(parts.at(-1).done_reason, "content_filter");
assert.match(heard(parts), s.REFUSED);
assert.ok(heard(parts).startsWith("Here is what you asked for."), heard(parts));
s.harmless(JSON.stringify(parts));
s.seen("blocked_stream", { shows: `\`done_reason\` \`${parts.at(-1).done_reason}\`` });

// The package does not export its errors' class.
let error;
for (const stream of [false, true]) {
  error = await s.raised(Error, () => client.chat(ask(s.FAILS, { stream })));
  assert.equal(error.status_code, 503);
  assert.match(error.message, /the model has no time/);
}
s.seen("failure", { shows: `\`${error.name}\`, status ${error.status_code}` });

error = await s.raised(Error, () => client.chat(ask(s.CUT)));
assert.equal(error.status_code, 502);
parts = [];
error = await s.raised(Error, async () => s.gathered(await client.chat(ask(s.CUT, { stream: true })), parts));
s.begun(heard(parts));
assert.ok(!parts.some((part) => part.done));
s.seen("cut", { shows: `\`${error.name}\`, "${error.message}"` });

answer = await client.generate({ model: "scripted", prompt: s.PLAIN, system: "You know the harbour." });
assert.deepEqual([answer.response, answer.done_reason, answer.eval_count], [s.SAID, "stop", 7]);
for (const [prompt, reason] of [[s.PLAIN, "stop"], [s.WEAK, "content_filter"]]) {
  const lines = await s.gathered(await client.generate({ model: "scripted", prompt, stream: true }));
  assert.equal(lines.at(-1).done_reason, reason);
  s.harmless(lines.map((line) => line.response).join(""));
}
s.seen("generate");

const { embeddings } = await client.embed({ model: "scripted", input: ["one", "two"] });
assert.deepEqual(embeddings, [[0, -0.5, 0.25], [1, -0.5, 0.25]]);
s.seen("embed");

error = await s.raised(Error, () => client.pull({ model: "scripted" }));
assert.equal(error.status_code, 404);
s.seen("pull", { shows: `\`${error.name}\`, status ${error.status_code}` });

if (s.guarded) {
  const strict = new Ollama({ host: s.guarded });
  for (const stream of [false, true]) {
    error = await s.raised(Error, () => strict.chat(ask(s.HARMFUL, { stream })));
    assert.equal(error.status_code, 400);
    assert.match(error.message, s.REFUSED);
  }
  s.seen("blocked_prompt", { blocked: 2, shows: `\`${error.name}\`, status ${error.status_code}` });
}

s.client("ollama (Node)", "ollama");
