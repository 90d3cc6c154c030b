/**
 * `GET /metrics`: the engine's counters as Prometheus text (exposition format 0.0.4).
 *
 * Counters run since the engine's start; times are in seconds. Names are `diecast_` and what is counted, in the unit's plural.
 */

import type { FastifyReply, FastifyRequest } from "fastify";

import type { EngineStats } from "../engine/engine.ts";
import type { Service } from "./service.ts";

interface Metric {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  /** Samples: labels without braces ("" for none) and values. */
  readonly samples: readonly (readonly [labels: string, value: number])[];
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
  const lines = samples.map(([labels, value]) => `${name}${labels === "" ? "" : `{${labels}}`} ${value}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines].join("\n");
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
    counter("masks_total", "token masks made", s.masks),
    counter("masks_cold_total", "token masks that were not in the memo", s.coldMasks),
    counter("step_seconds_total", "time of the batching loop by phase", [
      ['phase="plan"', s.planUs / 1e6],
      ['phase="mask"', s.maskUs / 1e6],
      ['phase="forward"', s.forwardUs / 1e6],
      ['phase="sample"', s.sampleUs / 1e6],
      ['phase="commit"', s.commitUs / 1e6],
      ['phase="emit"', s.emitUs / 1e6],
    ]),
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
    counter("prompt_tokens_cached_total", "tokens of prompts found in the prefix cache", s.cachedTokens),
    counter("cache_evicted_tokens_total", "tokens that the prefix cache gave up", s.evictedTokens),
    gauge("grammars", "compiled grammars kept", s.grammars.entries),
    gauge("grammars_bytes", "memory of the compiled grammars kept", s.grammars.bytes),
    counter("grammar_cache_hits_total", "requests whose grammar was there", s.grammars.hits),
    counter("grammar_cache_misses_total", "requests whose grammar had to be compiled", s.grammars.misses),
  ];
}
