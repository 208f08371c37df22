// The Vercel ai package, with a provider for OpenAI's chats or for its responses, against a scripted generator.
import assert from "node:assert/strict";
import { APICallError, embedMany, generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import * as s from "./scenario.mjs";

const responses = process.argv[4] === "responses";
const provider = (url) =>
  responses
    ? createOpenAI({ baseURL: `${url}/v1`, apiKey: "none" })
    : createOpenAICompatible({ name: "ringfence", baseURL: `${url}/v1`, includeUsage: true, supportsStructuredOutputs: true });
const model = provider(s.url)("scripted");
const ask = (prompt, more = {}) => ({ model, prompt, maxRetries: 0, ...more });
// A streamed answer's parts; errors are parts too, and are not to be printed.
const stream = (prompt, more) => streamText(ask(prompt, { onError: () => {}, ...more }));
const heard = (parts) => parts.filter((part) => part.type === "text-delta").map((part) => part.text).join("");

let answer = await generateText(ask(s.PLAIN, { system: "You know the harbour." }));
assert.deepEqual([answer.text, answer.finishReason, answer.usage.totalTokens], [s.SAID, "stop", 18]);
s.seen("plain");

let told = stream(s.PLAIN);
const texts = await s.gathered(told.textStream);
assert.equal(texts.join(""), s.SAID);
assert.ok(texts.length > 1, "it came in one piece");
assert.deepEqual([await told.finishReason, (await told.usage).totalTokens], ["stop", 18]);
s.seen("stream");

// The package calls the tool and sends its result by itself.
const asked = [];
const weather = tool({
  description: s.FUNCTION.description,
  inputSchema: jsonSchema(s.SCHEMA),
  execute: (input) => {
    asked.push(input);
    return s.RESULT;
  },
});
const able = { tools: { weather }, stopWhen: stepCountIs(2) };
answer = await generateText(ask(s.WEATHER, able));
assert.deepEqual([answer.text, answer.steps.length], [s.REPEATED, 2]);
told = stream(s.WEATHER, able);
assert.equal((await s.gathered(told.textStream)).join(""), s.REPEATED);
assert.deepEqual(asked, [{ city: "Kiel" }, { city: "Kiel" }]);
s.seen("tools");

answer = await generateText(ask(s.CITY, { output: Output.object({ schema: jsonSchema(s.SCHEMA) }) }));
assert.deepEqual(answer.output, { city: "Kiel" });
s.seen("schema");

// For responses the package refers to earlier turns by their ids unless told that they are not stored.
const turn = { role: "user", content: s.PLAIN };
const again = (more) => generateText({ model, messages: [turn, ...answer.response.messages, turn], ...more });
answer = await generateText(ask(s.PLAIN));
if (responses) await s.raised(APICallError, again);
answer = await again({ providerOptions: { openai: { store: false } } });
assert.equal(answer.text, s.SAID);
s.seen("second_turn");

answer = await generateText(ask(s.WEAK));
assert.equal(answer.finishReason, "content-filter");
assert.match(answer.text, s.REFUSED);
s.harmless(answer.text);
s.seen("blocked_answer");

asked.length = 0;
answer = await generateText(ask(s.WEAK_CALL, able));
assert.deepEqual([answer.finishReason, answer.steps.length], ["content-filter", 1]);
told = stream(s.WEAK_CALL, able);
await s.gathered(told.fullStream);
assert.equal(await told.finishReason, "content-filter");
assert.deepEqual(asked, [], "the tool was called");
s.seen("blocked_call");

told = stream(s.WEAK);
let parts = await s.gathered(told.fullStream);
assert.equal(await told.finishReason, "content-filter");
assert.match(heard(parts), s.REFUSED);
assert.ok(heard(parts).startsWith("Here is what you asked for."), heard(parts));
s.harmless(JSON.stringify(parts));
s.seen("blocked_stream", { shows: `\`finishReason\` \`${await told.finishReason}\`` });

let error = await s.raised(APICallError, () => generateText(ask(s.FAILS)));
assert.equal(error.statusCode, 503);
parts = await s.gathered(stream(s.FAILS).fullStream);
assert.deepEqual(parts.filter((part) => part.type === "error").map((part) => part.error.statusCode), [503]);
s.seen("failure", { shows: `\`${error.constructor.name}\`, status ${error.statusCode}` });

error = await s.raised(APICallError, () => generateText(ask(s.CUT)));
assert.equal(error.statusCode, 502);
told = stream(s.CUT);
parts = await s.gathered(told.fullStream);
s.begun(heard(parts));
const errors = parts.filter((part) => part.type === "error");
assert.equal(errors.length, 1);
assert.equal(await told.finishReason, "error");
s.seen("cut", { shows: "part `error` in `fullStream`, `finishReason` `error`" });

if (!responses) {
  const { embeddings } = await embedMany({ model: provider(s.url).textEmbeddingModel("scripted"), values: ["one", "two"] });
  assert.deepEqual(embeddings, [[0, -0.5, 0.25], [1, -0.5, 0.25]]);
  s.seen("embeddings");
}

if (s.guarded) {
  const strict = { model: provider(s.guarded)("scripted"), prompt: s.HARMFUL };
  error = await s.raised(APICallError, () => generateText(strict));
  assert.equal(error.data.error.code, "content_filter");
  parts = await s.gathered(streamText({ ...strict, onError: () => {} }).fullStream);
  assert.deepEqual(parts.filter((part) => part.type === "error").map((part) => part.error.statusCode), [400]);
  const { code } = error.data.error;
  s.seen("blocked_prompt", { blocked: 2, shows: `\`${error.constructor.name}\`, \`data.error.code\` \`${code}\`` });
}

const folder = responses ? "@ai-sdk/openai" : "@ai-sdk/openai-compatible";
s.client(`ai, ${folder}`, "ai", folder);
