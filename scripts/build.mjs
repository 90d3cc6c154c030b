/** `npm run build`: packages, TypeScript to dist/ and the native addon; whatever of it is current is skipped. */
import { setUp } from "./setup/index.mjs";
import { reportFailure, say } from "./setup/terminal.mjs";

try {
  await setUp(["packages", "typescript", "addon"]);
  say("everything is built");
} catch (error) {
  process.exitCode = reportFailure(error);
}
