// The openai package for Node.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { ANSWERED, API_KEY, ASKED, BASE_URL, FLASH, PRO, TOOLS, call, loop, run, said } from "./scenario.mjs";

const client = new OpenAI({ baseURL: BASE_URL, apiKey: API_KEY, timeout: 30_000 });
const chat = client.chat.completions;
const messages = [{ role: "user", content: "hi" }];

async function create() {
  const answer = await chat.create({ model: FLASH, messages });
  assert(answer.choices[0].message.content.startsWith(said("hi")));
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert(answer.usage.total_tokens > 0);
  assert(answer._request_id);
}

async function createStream() {
  const options = { stream: true, stream_options: { include_usage: true } };
  const chunks = [];
  for await (const chunk of await chat.create({ model: FLASH, messages, ...options })) chunks.push(chunk);
  assert(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("").startsWith(said("hi")));
  assert(chunks.at(-1).usage.total_tokens > 0);
  assert.deepEqual(chunks.at(-1).choices, []);
}

async function streamHelper() {
  const stream = chat.stream({ model: FLASH, messages });
  let text = "";
  stream.on("content", (delta) => (text += delta));
  const final = await stream.finalChatCompletion();
  assert.equal(text, final.choices[0].message.content);
  assert(text.startsWith(said("hi")));
}

async function streamHelperWithCalls() {
  const tools = Object.entries(TOOLS).map(([name, { description, parameters }]) => ({
    type: "function",
    function: { name, description, parameters, strict: true },
  }));
  const stream = chat.stream({ model: PRO, messages: [{ role: "user", content: ASKED }], tools });
  const done = [];
  stream.on("tool_calls.function.arguments.done", ({ index, name, arguments: args }) => done.push([index, name, args]));
  const { choices } = await stream.finalChatCompletion();
  assert.equal(choices[0].finish_reason, "tool_calls");
  assert.deepEqual(
    done,
    choices[0].message.tool_calls.map((one, index) => [index, one.function.name, one.function.arguments]),
  );
  assert.equal(done.length, 2);
}

const runnable = Object.entries(TOOLS).map(([name, { description, parameters }]) => ({
  type: "function",
  function: { name, description, parameters, parse: JSON.parse, function: (args) => call(name, args) },
}));

async function threeSteps(stream, midway) {
  await loop(async () => {
    const runner = chat.runTools({ model: PRO, messages: [{ role: "user", content: ASKED }], tools: runnable, stream });
    assert((await runner.finalContent()).startsWith(ANSWERED));
  }, midway);
}

const loop_run_tools = () => threeSteps(false);
const loop_run_tools_stream = () => threeSteps(true);
const loop_run_tools_restart = () => threeSteps(false, "restart");
const loop_run_tools_restart_stream = () => threeSteps(true, "restart");

async function parse() {
  const Solution = z.object({ steps: z.array(z.object({ explanation: z.string() })), note: z.string().nullable() });
  const format = zodResponseFormat(Solution, "solution");
  for (const model of [FLASH, PRO]) {
    const answer = await chat.parse({ model, messages, response_format: format });
    Solution.parse(answer.choices[0].message.parsed);
  }
}

async function models() {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert(ids.includes(PRO));
  assert.equal((await client.models.retrieve(PRO)).id, PRO);
}

async function errors() {
  await assert.rejects(client.get("/nothing"), OpenAI.NotFoundError);
  await assert.rejects(chat.create({ model: FLASH, messages: [] }), { name: "Error", status: 400, param: "messages" });
  const other = new OpenAI({ baseURL: BASE_URL, apiKey: "none" });
  await assert.rejects(other.models.list(), { status: 401, code: "invalid_api_key" });
}

await run(
  "openai",
  ...[create, createStream, streamHelper, streamHelperWithCalls],
  ...[loop_run_tools, loop_run_tools_stream, loop_run_tools_restart, loop_run_tools_restart_stream],
  ...[parse, models, errors],
);
