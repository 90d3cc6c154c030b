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
  const one = (type: Metric["type"], name: string, help: string, value: number): Metric => ({
    name: `diecast_${name}`,
    type,
    help,
    samples: [["", value]],
  });
  return [
    one("counter", "steps_total", "steps of the batching loop", s.steps),
    one("counter", "forward_passes_total", "passes of the model", s.forwardPasses),
    {
      name: "diecast_tokens_total",
      type: "counter",
      help: "tokens by what became of them: prompts taken, tokens through the model, sampled, forced by a grammar",
      samples: [
        ['kind="prompt"', s.promptTokens],
        ['kind="forward"', s.forwardTokens],
        ['kind="sampled"', s.sampledTokens],
        ['kind="forced"', s.forcedTokens],
      ],
    },
    one("counter", "masks_total", "token masks made", s.masks),
    one("counter", "masks_cold_total", "token masks that were not in the memo", s.coldMasks),
    {
      name: "diecast_step_seconds_total",
      type: "counter",
      help: "time of the batching loop by phase",
      samples: [
        ['phase="plan"', s.planUs / 1e6],
        ['phase="mask"', s.maskUs / 1e6],
        ['phase="forward"', s.forwardUs / 1e6],
        ['phase="sample"', s.sampleUs / 1e6],
        ['phase="commit"', s.commitUs / 1e6],
        ['phase="emit"', s.emitUs / 1e6],
      ],
    },
    one("counter", "retractions_total", "running requests that gave their place in the KV pool back", s.retractions),
    one("counter", "requests_submitted_total", "requests that the engine took", s.submitted),
    {
      name: "diecast_requests_ended_total",
      type: "counter",
      help: "requests by how they ended",
      samples: [
        ['outcome="finished"', s.finished],
        ['outcome="failed"', s.failed],
        ['outcome="cancelled"', s.cancelled],
      ],
    },
    one("gauge", "requests_waiting", "requests in the queue now", s.waiting),
    one("gauge", "requests_running", "requests in the batch now", s.running),
    one("gauge", "kv_tokens", "size of the KV pool in tokens", s.kvTokens),
    one("gauge", "kv_tokens_free", "free slots of the KV pool now", s.kvFree),
    one("gauge", "kv_tokens_cached", "slots that only the prefix cache holds now", s.kvCached),
    one("counter", "prompt_tokens_cached_total", "tokens of prompts found in the prefix cache", s.cachedTokens),
    one("counter", "cache_evicted_tokens_total", "tokens that the prefix cache gave up", s.evictedTokens),
    one("gauge", "grammars", "compiled grammars kept", s.grammars.entries),
    one("gauge", "grammars_bytes", "memory of the compiled grammars kept", s.grammars.bytes),
    one("counter", "grammar_cache_hits_total", "requests whose grammar was there", s.grammars.hits),
    one("counter", "grammar_cache_misses_total", "requests whose grammar had to be compiled", s.grammars.misses),
  ];
}
