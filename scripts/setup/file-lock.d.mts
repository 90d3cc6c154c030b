/** Types of file-lock.mjs for the TypeScript sources. */
export function withFileLock<T>(
  path: string,
  body: () => Promise<T>,
  options?: { onWait?: (() => void) | undefined; signal?: AbortSignal | undefined },
): Promise<T>;
