/**
 * The trace of a run of the real engine: valid JSON at any time, phases inside of their steps and one after the other, requests from queued to finished.
 * Without a model this is skipped, and one line says so.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadRealEngine, realModelPath } from "../support/real-model.ts";

interface TraceEvent {
  readonly name: string;
  readonly cat?: string;
  readonly ph: "M" | "X" | "b" | "e" | "i";
  /** Microseconds. */
  readonly ts: number;
  readonly dur: number;
  readonly id?: number;
  readonly args: Readonly<Record<string, number | string>>;
}

const modelPath = await realModelPath();
const PERSON = `{"type":"object","properties":{"name":{"type":"string","maxLength":6},"age":{"type":"integer","minimum":0,"maximum":99}},
  "required":["name","age"],"additionalProperties":false}`;
const PHASES = ["plan", "mask", "forward", "sample", "commit", "emit"];
const endOf = ({ ts, dur }: TraceEvent): number => ts + dur;
/** Timestamps have three decimals. */
const ROUNDING = 0.002;

describe.skipIf(modelPath === undefined)("a trace", () => {
  const folder = mkdtempSync(join(tmpdir(), "diecast-trace-"));
  const file = join(folder, "trace.json");
  const reasons: string[] = [];
  let events: TraceEvent[];
  let numSteps: number;
  /** As a process that is killed leaves it. */
  let cut: string;

  beforeAll(async () => {
    const options = { maxBatch: 3, contextLength: 256, stepTokens: 24, traceFile: file };
    await using engine = await loadRealEngine(modelPath!, options);
    const grammar = await engine.compile({ type: "json_schema", schema: PERSON });
    const generations = Array.from({ length: 12 }, (_, i) =>
      engine.generate({
        prompt: `Person ${i}: `,
        temperature: 0,
        maxTokens: 20 + i,
        ...(i % 2 === 0 ? { grammar } : {}),
      }),
    );
    generations[5]!.cancel();
    for (const { result } of generations) reasons.push((await result).finishReason);
    cut = readFileSync(file, "utf8");
    numSteps = engine.stats().steps;
  }, 180_000);
  afterAll(() => rmSync(folder, { recursive: true }));

  test("is JSON, and says nothing of lost events", () => {
    events = JSON.parse(readFileSync(file, "utf8")) as TraceEvent[];
    expect(events.filter(({ name }) => name === "dropped events")).toEqual([]);
  });

  test("is whole events without the array's end while the engine runs", () => {
    const whole = cut.slice(0, cut.lastIndexOf("\n"));
    expect(whole.endsWith(",")).toBe(true);
    const first = JSON.parse(`${whole.slice(0, -1)}]`) as TraceEvent[];
    expect(first).toEqual(events.slice(0, first.length));
    expect(first.some(({ name }) => name === "step")).toBe(true);
  });

  test("has each phase inside of its step, after the one before it", () => {
    const spans = events.filter(({ ph }) => ph === "X");
    let phases: TraceEvent[] = [];
    let last = 0;
    let numWorking = 0;
    for (const span of spans) {
      expect(span.dur).toBeGreaterThanOrEqual(0);
      if (span.name !== "step") {
        phases.push(span);
        continue;
      }
      expect(span.ts).toBeGreaterThanOrEqual(last - ROUNDING);
      last = endOf(span);
      let at = span.ts;
      for (const phase of phases) {
        expect(Math.abs(phase.ts - at)).toBeLessThan(ROUNDING);
        at = endOf(phase);
      }
      expect(Math.abs(at - endOf(span))).toBeLessThan(ROUNDING);
      const names = phases.map(({ name }) => name);
      if (names.length > 2) numWorking++;
      expect(names).toEqual(names.length > 2 ? PHASES : ["plan", "emit"]);
      phases = [];
    }
    expect(phases).toEqual([]);
    expect(numWorking).toBe(numSteps);
  });

  test("has each request's parts in order, and how it ended", () => {
    const seen: string[] = [];
    const ofRequests = groupById(events);
    for (const [id, parts] of ofRequests) {
      if (id === undefined) continue;
      const open: TraceEvent[] = [];
      let at = 0;
      for (const part of parts) {
        expect(part.cat).toBe("request");
        expect(part.ts).toBeGreaterThanOrEqual(at);
        at = part.ts;
        if (part.ph === "b") open.push(part);
        else expect(open.pop()?.name).toBe(part.name);
      }
      expect(open).toEqual([]);
      // Waiting for a mask that takes long is inside of the others.
      const begun = parts.filter(({ ph, name }) => ph === "b" && name !== "mask").map(({ name }) => name);
      expect(["request", "queued", "prefill", "decode"].slice(0, begun.length)).toEqual(begun);
      const { reason, ...numbers } = parts.at(-1)!.args;
      seen.push(reason as string);
      for (const name of ["prompt", "cached", "output", "forced", "retractions"])
        expect(numbers[name]).toBeGreaterThanOrEqual(0);
    }
    expect(seen.sort()).toEqual(reasons.sort());
  });
});

function groupById(events: readonly TraceEvent[]): Map<number | undefined, TraceEvent[]> {
  const groups = new Map<number | undefined, TraceEvent[]>();
  for (const event of events) groups.set(event.id, [...(groups.get(event.id) ?? []), event]);
  return groups;
}
