// The openai package for Node against a scripted generator: every endpoint, and every way in which it goes wrong.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { ContentFilterFinishReasonError } from "openai/error";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import * as s from "./scenario.mjs";

const client = new OpenAI({ baseURL: `${s.url}/v1`, apiKey: "none", maxRetries: 0 });
const create = (asked) => client.chat.completions.create(asked);
const ask = (text, more = {}) => ({ model: "scripted", messages: [{ role: "user", content: text }], ...more });
const tools = [{ type: "function", function: s.FUNCTION }];

// The text, the finish reasons and the usage of streamed chunks.
function heard(chunks) {
  const choices = chunks.flatMap((chunk) => chunk.choices);
  const text = choices.map((choice) => choice.delta.content ?? "").join("");
  const reasons = choices.map((choice) => choice.finish_reason).filter(Boolean);
  return { text, reasons, usage: chunks.map((chunk) => chunk.usage).filter(Boolean) };
}

assert.deepEqual((await s.gathered(client.models.list())).map((model) => model.id), ["scripted"]);
assert.equal((await client.models.retrieve("scripted")).id, "scripted");
s.seen("models");

let answer = await create(ask(s.PLAIN));
assert.equal(answer.choices[0].message.content, s.SAID);
assert.equal(answer.choices[0].finish_reason, "stop");
assert.deepEqual(answer.usage, { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 });
s.seen("plain");

const options = { stream: true, stream_options: { include_usage: true } };
const chunks = await s.gathered(await create(ask(s.PLAIN, options)));
let told = heard(chunks);
assert.equal(told.text, s.SAID);
assert.deepEqual(told.reasons, ["stop"]);
assert.deepEqual(told.usage.map((usage) => usage.total_tokens), [18]);
assert.ok(chunks.filter((chunk) => chunk.choices[0]?.delta.content).length > 1, "it came in one piece");
assert.equal(await client.chat.completions.stream(ask(s.PLAIN)).finalContent(), s.SAID);
s.seen("stream");

const { message } = (await create(ask(s.WEATHER, { tools }))).choices[0];
const [call] = message.tool_calls;
assert.equal(call.function.name, "weather");
assert.deepEqual(JSON.parse(call.function.arguments), { city: "Kiel" });
const streamed = await client.chat.completions.stream(ask(s.WEATHER, { tools })).finalMessage();
assert.deepEqual(JSON.parse(streamed.tool_calls[0].function.arguments), { city: "Kiel" });
const result = { role: "tool", tool_call_id: call.id, content: s.RESULT };
answer = await create(ask("", { tools, messages: [...ask(s.WEATHER).messages, message, result] }));
assert.equal(answer.choices[0].message.content, s.REPEATED);
s.seen("tools");

const held = { response_format: zodResponseFormat(z.object({ city: z.string() }), "city") };
answer = await client.chat.completions.parse(ask(s.CITY, held));
assert.deepEqual(answer.choices[0].message.parsed, { city: "Kiel" });
s.seen("schema");

const [choice] = (await create(ask(s.WEAK))).choices;
assert.equal(choice.finish_reason, "content_filter");
assert.match(choice.message.content, s.REFUSED);
s.harmless(choice.message.content);
await s.raised(ContentFilterFinishReasonError, () => client.chat.completions.parse(ask(s.WEAK)));
s.seen("blocked_answer");

answer = await create(ask(s.WEAK_CALL, { tools }));
assert.deepEqual([answer.choices[0].finish_reason, answer.choices[0].message.tool_calls], ["content_filter", undefined]);
const calling = await s.gathered(await create(ask(s.WEAK_CALL, { tools, stream: true })));
assert.deepEqual(heard(calling).reasons, ["content_filter"]);
assert.ok(!calling.some((chunk) => chunk.choices.some((each) => each.delta.tool_calls)));
s.seen("blocked_call");

told = heard(await s.gathered(await create(ask(s.WEAK, options))));
assert.deepEqual(told.reasons, ["content_filter"]);
assert.match(told.text, s.REFUSED);
assert.ok(told.text.startsWith("Here is what you asked for."), told.text);
assert.equal(told.usage.length, 1);
s.harmless(told.text);
s.seen("blocked_stream", { shows: `\`finish_reason\` \`${told.reasons[0]}\`` });

let error;
for (const stream of [false, true]) {
  error = await s.raised(OpenAI.InternalServerError, () => create(ask(s.FAILS, { stream })));
  assert.equal(error.status, 503);
  assert.match(error.message, /the model has no time/);
}
s.seen("failure", { shows: `\`${error.constructor.name}\`, status ${error.status}` });

error = await s.raised(OpenAI.InternalServerError, () => create(ask(s.CUT)));
assert.equal(error.code, "upstream_cut");
const pieces = [];
error = await s.raised(OpenAI.APIError, async () => s.gathered(await create(ask(s.CUT, { stream: true })), pieces));
told = heard(pieces);
s.begun(told.text);
assert.deepEqual(told.reasons, []);
s.seen("cut", { shows: `\`${error.constructor.name}\`, \`code\` \`${error.code}\`` });

if (s.guarded) {
  const strict = new OpenAI({ baseURL: `${s.guarded}/v1`, apiKey: "none" });
  for (const stream of [false, true]) {
    error = await s.raised(OpenAI.BadRequestError, () => strict.chat.completions.create(ask(s.HARMFUL, { stream })));
    assert.equal(error.code, "content_filter");
    assert.equal(error.error.innererror.code, "ResponsibleAIPolicyViolation");
  }
  s.seen("blocked_prompt", { blocked: 2, shows: `\`${error.constructor.name}\`, \`code\` \`${error.code}\`` });
  const { results } = await strict.moderations.create({ input: [s.HARMFUL, s.PLAIN] });
  assert.deepEqual(results.map((each) => each.flagged), [true, false]);
  s.seen("moderations", { blocked: 1 });
}

answer = await client.completions.create({ model: "scripted", prompt: s.PLAIN });
assert.equal(answer.choices[0].text, s.SAID);
const parts = await s.gathered(await client.completions.create({ model: "scripted", prompt: s.PLAIN, stream: true }));
assert.equal(parts.flatMap((part) => part.choices).map((each) => each.text).join(""), s.SAID);
answer = await client.completions.create({ model: "scripted", prompt: s.WEAK });
assert.equal(answer.choices[0].finish_reason, "content_filter");
s.harmless(answer.choices[0].text);
s.seen("completions");

const respond = (input, more = {}) => ({ model: "scripted", input, ...more });
let response = await client.responses.create(respond(s.PLAIN));
assert.equal(response.output_text, s.SAID);
assert.equal(response.usage.total_tokens, 18);
response = await client.responses.stream(respond(s.PLAIN)).finalResponse();
assert.equal(response.output_text, s.SAID);
const functions = { tools: [{ type: "function", strict: false, ...s.FUNCTION }] };
response = await client.responses.create(respond(s.WEATHER, functions));
const asked = response.output.find((item) => item.type === "function_call");
assert.deepEqual(JSON.parse(asked.arguments), { city: "Kiel" });
const grown = await client.responses.stream(respond(s.WEATHER, functions)).finalResponse();
assert.equal(grown.output.find((item) => item.type === "function_call").arguments, asked.arguments);
const output = { type: "function_call_output", call_id: asked.call_id, output: s.RESULT };
const history = [{ role: "user", content: s.WEATHER }, ...response.output, output];
assert.equal((await client.responses.create(respond(history, functions))).output_text, s.REPEATED);
const events = await s.gathered(await client.responses.create(respond(s.WEAK, { stream: true })));
assert.equal(events.at(-1).type, "response.incomplete");
assert.equal(events.at(-1).response.incomplete_details.reason, "content_filter");
s.harmless(JSON.stringify(events));
const before = [];
const cut = async () => s.gathered(await client.responses.create(respond(s.CUT, { stream: true })), before);
error = await s.raised(OpenAI.APIError, cut);
assert.equal(before.at(-1).type, "response.output_text.delta");
s.seen("responses", { shows: `\`${error.constructor.name}\`, \`code\` \`${error.code}\`` });

for (const packed of [{}, { encoding_format: "float" }]) {
  const vectors = await client.embeddings.create({ model: "scripted", input: ["one", "two"], ...packed });
  assert.deepEqual(vectors.data.map((item) => item.embedding), [[0, -0.5, 0.25], [1, -0.5, 0.25]]);
}
s.seen("embeddings");

s.client("openai (Node)", "openai");
