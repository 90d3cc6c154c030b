/** A compile worker: one task at a time, in the order of the messages. Runs from dist/ only, since Node 20 does not run TypeScript. */

import { parentPort } from "node:worker_threads";

import { assertInvariant } from "../../errors.ts";
import { runTask, type TaskMessage, type TaskReply } from "./task.ts";

/** A schema that uses what most schemas use: the tables that compiling builds once, and the machine code, are there before somebody waits for them. */
const WARM_UP = JSON.stringify({
  type: "object",
  properties: {
    text: { type: "string", maxLength: 10 },
    count: { type: "integer", minimum: 0, maximum: 99 },
    share: { type: "number" },
    kind: { enum: ["first", "second", 3, null] },
    list: {
      type: "array",
      items: { anyOf: [{ type: "boolean" }, { type: "string", pattern: "^[a-z]+$" }] },
      minItems: 1,
    },
    when: { type: "string", format: "date-time" },
    self: { $ref: "#" },
  },
  required: ["text"],
});

assertInvariant(parentPort !== null, "the compile worker is started as a worker thread");
const port = parentPort;

function reply(message: TaskReply): void {
  if (message.type !== "compiled") {
    port.postMessage(message);
    return;
  }
  // Moving the buffer away is right only if nothing else lies in it.
  const { program } = message.result;
  const whole = program.byteLength === program.buffer.byteLength ? program : program.slice();
  port.postMessage({ ...message, result: { ...message.result, program: whole } }, [whole.buffer as ArrayBuffer]);
}

runTask({ id: 0, task: { kind: "json_schema", text: WARM_UP, options: {} } });
reply({ type: "ready" });
port.on("message", (message: TaskMessage) => reply(runTask(message)));
