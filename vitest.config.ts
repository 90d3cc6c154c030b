/** Fast tests by default; `DIECAST_TESTS=all` (set by `npm run test:all`) adds the `*.long.test.ts` ones. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: process.env.DIECAST_TESTS === "all" ? [] : ["test/**/*.long.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two workers: the machines this runs on have few cores and the engine tests use all of them.
    maxWorkers: 2,
  },
});
