/** Types of progress.mjs for the TypeScript sources. */
export function formatBytes(bytes: number): string;
export function startProgress(
  label: string,
  format?: (value: number) => string,
): Promise<{ update(done: number, total: number): void; stop(): void }>;
