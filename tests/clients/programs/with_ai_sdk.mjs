// The AI SDK with @ai-sdk/openai-compatible.

import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Output, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { ANSWERED, API_KEY, ASKED, BASE_URL, FLASH, PRO, TOOLS, call, loop, run, said } from "./scenario.mjs";

const provider = createOpenAICompatible({
  name: "gemini-proxy",
  baseURL: BASE_URL,
  apiKey: API_KEY,
  includeUsage: true,
  supportsStructuredOutputs: true,
});

async function text() {
  const result = await generateText({ model: provider(FLASH), prompt: "hi", temperature: 0.5 });
  assert(result.text.startsWith(said("hi")));
  assert.equal(result.finishReason, "stop");
  assert(result.usage.totalTokens > 0);
}

async function stream() {
  const result = streamText({ model: provider(FLASH), prompt: "hi" });
  let words = "";
  for await (const piece of result.textStream) words += piece;
  assert(words.startsWith(said("hi")));
  assert((await result.usage).totalTokens > 0);
}

async function thoughts() {
  const providerOptions = { "gemini-proxy": { reasoningEffort: "high" } };
  const result = await generateText({ model: provider(PRO), prompt: "hi", providerOptions });
  assert(result.reasoningText.includes("Reading the request"));
}

const tools = Object.fromEntries(
  Object.entries(TOOLS).map(([name, { description, parameters }]) => [
    name,
    tool({ description, inputSchema: jsonSchema(parameters), execute: (args) => call(name, args) }),
  ]),
);
const asked = () => ({ model: provider(PRO), prompt: ASKED, tools, stopWhen: stepCountIs(6) });

async function threeSteps(midway) {
  await loop(async () => {
    const result = await generateText(asked());
    assert(result.text.startsWith(ANSWERED));
  }, midway);
}

async function threeStepsStreamed(midway) {
  await loop(async () => {
    const result = streamText(asked());
    await result.consumeStream();
    assert((await result.text).startsWith(ANSWERED));
  }, midway);
}

const loop_whole = () => threeSteps();
const loop_stream = () => threeStepsStreamed();
const loop_restart = () => threeSteps("restart");
const loop_restart_stream = () => threeStepsStreamed("restart");

async function structured() {
  for (const model of [FLASH, PRO]) {
    const result = await generateText({ model: provider(model), prompt: "hi", output: Output.object({ schema }) });
    schema.parse(result.output);
  }
}

// Tools and a schema for the answer in one request: 2.5 refuses both together.
const schema = z.object({ steps: z.array(z.object({ explanation: z.string() })), note: z.string().nullable() });
const typed = () => ({ ...asked(), model: provider(FLASH), output: Output.object({ schema }) });

async function typed_loop_flash() {
  await loop(async () => schema.parse((await generateText(typed())).output));
}

async function typed_loop_flash_stream() {
  await loop(async () => {
    const result = streamText(typed());
    await result.consumeStream();
    schema.parse(await result.output);
  });
}

async function errors() {
  const other = createOpenAICompatible({ name: "other", baseURL: BASE_URL, apiKey: "none" });
  await assert.rejects(generateText({ model: other(FLASH), prompt: "hi" }), { statusCode: 401, message: /PROXY_API_KEY/ });
}

await run(
  "ai",
  ...[text, stream, thoughts, loop_whole, loop_stream, loop_restart, loop_restart_stream, structured, errors, typed_loop_flash, typed_loop_flash_stream],
);
