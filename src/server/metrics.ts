/**
 * `GET /metrics`: the engine's counters and histograms as Prometheus text (exposition format 0.0.4).
 *
 * Counters run since the engine's start; times are in seconds. Names are `diecast_` and what is counted, in the unit's plural.
 */

import type { FastifyReply, FastifyRequest } from "fastify";

import type { EngineStats, Histogram } from "../engine/engine.ts";
import type { Service } from "./service.ts";

interface Metric {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** Samples: labels without braces ("" for none), values, and what a histogram's samples have after their name. */
  readonly samples: readonly (readonly [labels: string, value: number, suffix?: "_bucket" | "_sum" | "_count"])[];
}

/** Exported for its test. */
export function metricsText(stats: EngineStats): string {
  return `${metricsOf(stats).map(render).join("\n")}\n`;
}

export function metrics(service: Service) {
  return async (_request: FastifyRequest, reply: FastifyReply): Promise<string> => {
    reply.type("text/plain; version=0.0.4; charset=utf-8");
    return metricsText(service.engine.stats());
  };
}

function render({ name, type, help, samples }: Metric): string {
  const lines = samples.map(
    ([labels, value, suffix = ""]) => `${name}${suffix}${labels === "" ? "" : `{${labels}}`} ${value}`,
  );
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines].join("\n");
}

/** Buckets hold what is at most their bound. `scale`: the value of 1 in the metric's unit. */
function histogramSamples({ counts, count, sum }: Histogram, scale: number): Metric["samples"] {
  let atMost = 0;
  const buckets = counts.slice(0, -1).map((inBucket, i) => {
    atMost += inBucket;
    return [`le="${2 ** i * scale}"`, atMost, "_bucket"] as const;
  });
  return [...buckets, ['le="+Inf"', count, "_bucket"], ["", sum * scale, "_sum"], ["", count, "_count"]];
}

function metricsOf(s: EngineStats): Metric[] {
  type Samples = number | Metric["samples"];
  const metric = (type: Metric["type"], name: string, help: string, samples: Samples): Metric => ({
    name: `diecast_${name}`,
    type,
    help,
    samples: typeof samples === "number" ? [["", samples]] : samples,
  });
  const counter = (name: string, help: string, samples: Samples) => metric("counter", name, help, samples);
  const gauge = (name: string, help: string, value: number) => metric("gauge", name, help, value);
  const histogram = (name: string, help: string, values: Histogram) =>
    metric("histogram", name, help, histogramSamples(values, 1));
  const seconds = (name: string, help: string, micros: Histogram) =>
    metric("histogram", `${name}_seconds`, help, histogramSamples(micros, 1e-6));
  const { histograms: h } = s;
  return [
    counter("steps_total", "steps of the batching loop", s.steps),
    counter("forward_passes_total", "passes of the model", s.forwardPasses),
    counter(
      "tokens_total",
      "tokens by what became of them: prompts taken, tokens through the model, sampled, forced by a grammar",
      [
        ['kind="prompt"', s.promptTokens],
        ['kind="forward"', s.forwardTokens],
        ['kind="sampled"', s.sampledTokens],
        ['kind="forced"', s.forcedTokens],
      ],
    ),
    counter("drafted_tokens_total", "tokens that were guessed and computed ahead", s.draftedTokens),
    counter("accepted_tokens_total", "guessed tokens that came true", s.acceptedTokens),
    counter("masks_total", "token masks made", s.masks),
    counter("masks_cold_total", "token masks that were not in the memo", s.coldMasks),
    counter("masks_aside_total", "token masks that took long and were made beside the steps", s.asideMasks),
    counter("step_seconds_total", "time of the batching loop by phase", [
      ['phase="plan"', s.planUs / 1e6],
      ['phase="mask"', s.maskUs / 1e6],
      ['phase="forward"', s.forwardUs / 1e6],
      ['phase="sample"', s.sampleUs / 1e6],
      ['phase="commit"', s.commitUs / 1e6],
      ['phase="emit"', s.emitUs / 1e6],
      ['phase="gap"', s.gapUs / 1e6],
    ]),
    counter("backlog_waits_total", "steps put off because their events were not taken", s.backlogWaits),
    counter("retractions_total", "running requests that gave their place in the KV pool back", s.retractions),
    counter("requests_submitted_total", "requests that the engine took", s.submitted),
    counter("requests_ended_total", "requests by how they ended", [
      ['outcome="finished"', s.finished],
      ['outcome="failed"', s.failed],
      ['outcome="cancelled"', s.cancelled],
    ]),
    gauge("requests_waiting", "requests in the queue now", s.waiting),
    gauge("requests_running", "requests in the batch now", s.running),
    gauge("kv_tokens", "size of the KV pool in tokens", s.kvTokens),
    gauge("kv_tokens_free", "free slots of the KV pool now", s.kvFree),
    gauge("kv_tokens_cached", "slots that only the prefix cache holds now", s.kvCached),
    gauge("kv_tokens_locked", "slots of the prefix cache that running requests use now", s.kvLocked),
    counter("prompt_tokens_cached_total", "tokens of prompts found in the prefix cache", s.cachedTokens),
    counter("cache_evicted_tokens_total", "tokens that the prefix cache gave up", s.evictedTokens),
    seconds("request_queue", "from submission to admission", h.queueUs),
    seconds("request_first_token", "from submission to the first sampled token", h.firstTokenUs),
    histogram("request_cached_tokens", "tokens of a prompt found in the prefix cache", h.cachedTokens),
    histogram("request_output_tokens", "tokens of an output", h.outputTokens),
    histogram("request_forced_tokens", "tokens of an output that a grammar forced", h.forcedTokens),
    histogram("request_accepted_tokens", "guessed tokens of an output that came true", h.acceptedTokens),
    histogram("request_retractions", "how often a request gave its place in the KV pool back", h.retractions),
    histogram("step_rows", "requests in a pass of the model", h.stepRows),
    histogram("step_tokens", "tokens in a pass of the model", h.stepTokens),
    seconds("step_mask", "making the masks of a step", h.maskUs),
    seconds("step_forward", "the model's part of a step", h.forwardUs),
    seconds("step_gap", "between steps, when work was left", h.gapUs),
    gauge("grammars", "compiled grammars kept", s.grammars.entries),
    gauge("grammars_bytes", "memory of the compiled grammars kept", s.grammars.bytes),
    counter("grammar_cache_hits_total", "requests whose grammar was there", s.grammars.hits),
    counter("grammar_cache_misses_total", "requests whose grammar had to be compiled", s.grammars.misses),
    gauge("compile_workers", "threads that compile grammars", s.compileService.workers),
    gauge("compile_running", "grammars that compile now", s.compileService.running),
    gauge("compile_queued", "grammars that wait to be compiled now", s.compileService.queued),
    gauge("compile_long", "grammars that run or wait after a first trial that was too short", s.compileService.long),
    counter("compile_lost_workers_total", "threads that had to be ended, or died", s.compileService.lostWorkers),
  ];
}
