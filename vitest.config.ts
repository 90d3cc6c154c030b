import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/**/*.long.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two workers: the machines this runs on have few cores and the engine tests use all of them.
    maxWorkers: 2,
  },
});
