/** Types of index.mjs for the TypeScript tests. */
export const ROOT: string;
export function setUp(steps: readonly ("packages" | "typescript" | "addon")[]): Promise<void>;
export function fetchModel(): Promise<string>;
