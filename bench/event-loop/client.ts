/** Sends the bodies of a case from a process of its own, so that only the server's work shows in the server's event loop. */
import { loopCases } from "./cases.ts";

export interface ClientTask {
  readonly url: string;
  readonly name: string;
  readonly rounds: number;
}

export interface ClientReport {
  /** Of the answers, unlike what was expected. */
  readonly unexpected: readonly string[];
}

process.on("message", async ({ url, name, rounds }: ClientTask) => {
  const found = loopCases().find((other) => other.name === name);
  if (found === undefined) throw new Error(`there is no case ${name}`);
  const unexpected: string[] = [];
  for (let i = 0; i < rounds; i++) {
    // Twice the same: the second finds grammar or refusal in the cache.
    const body = found.body(i >> 1);
    const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
    const text = await response.text();
    if (response.status !== found.status) unexpected.push(`${response.status}: ${text.slice(0, 200)}`);
  }
  process.send?.({ unexpected } satisfies ClientReport);
});
