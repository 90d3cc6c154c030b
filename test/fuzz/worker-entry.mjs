/** Lets a worker thread run TypeScript, which Node 20 does not by itself. */

import { register } from "tsx/esm/api";

register();
await import("./worker.ts");
