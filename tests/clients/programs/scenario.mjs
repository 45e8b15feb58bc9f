// scenario.py for programs on Node: the same lines to the driver, the same tools.

import { createInterface } from "node:readline";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

export const { BASE_URL, API_KEY } = process.env;
export const FLASH = "gemini-2.5-flash";
export const PRO = "gemini-3-pro-preview";
export const said = (words) => `This is the gemini-proxy emulator, not Google. You said: «${words}».`;

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export async function tell(verb, text = "") {
  process.stdout.write(`@${JSON.stringify([verb, text])}\n`);
  if ((await lines.next()).done) throw new Error("the driver has gone");
}

export async function run(name, ...steps) {
  const manifest = new URL(`./node_modules/${name}/package.json`, import.meta.url);
  await tell("version", `${name} ${JSON.parse(readFileSync(manifest)).version}`);
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      await tell("failed", `${step.name}\n${error?.stack ?? error}`);
      continue;
    }
    await tell("passed", step.name);
  }
  process.exit(0);
}

export const ASKED =
  'get_weather {"city": "Oslo"} and get_time {"city": "Oslo"} then convert {"celsius": 7} ' +
  'then book {"place": "Frognerparken", "party": {"adults": 2, "children": 0}}';
export const ANSWERED = "book answered";

let calls = [];
let midway = "";

const city = { city: { type: "string", minLength: 1 } };
const party = { type: "object", properties: { adults: { type: "integer" }, children: { type: "integer" } } };
const declared = (description, properties, answer) => ({
  description,
  parameters: { type: "object", properties, required: Object.keys(properties), additionalProperties: false },
  answer,
});

export const TOOLS = {
  get_weather: declared("Says the weather of a city.", city, ({ city }) => `7 degrees in ${city}`),
  get_time: declared("Says the time of day in a city.", city, ({ city }) => JSON.stringify({ city, time: "12:30" })),
  convert: declared("Degrees Celsius to Fahrenheit.", { celsius: { type: "integer" } }, async ({ celsius }) => {
    if (midway) await tell(midway);
    return `${(celsius * 9) / 5 + 32} F`;
  }),
  book: declared("Books a picnic.", { place: { type: ["string", "null"] }, party }, () => "booked"),
};

export function call(name, args) {
  calls.push([name, args]);
  return TOOLS[name].answer(args);
}

export async function loop(body, tellMidway = "") {
  calls = [];
  midway = tellMidway;
  await body();
  const [first, second, ...rest] = calls;
  assert.deepEqual([first, second].sort(), [["get_time", { city: "Oslo" }], ["get_weather", { city: "Oslo" }]]);
  assert.deepEqual(rest, [
    ["convert", { celsius: 7 }],
    ["book", { place: "Frognerparken", party: { adults: 2, children: 0 } }],
  ]);
}
