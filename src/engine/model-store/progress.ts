/** What the model store tells while it works. */

export interface FetchProgress {
  /** `wait`: another process is fetching the same file. */
  readonly phase: "wait" | "download" | "unpack" | "verify";
  /** Bytes. */
  readonly done: number;
  /** Bytes; 0 while not known. */
  readonly total: number;
}

export type ProgressListener = (progress: FetchProgress) => void;
