/** The command line in a process of its own, from sources: `bench:serve` starts it with the arguments of `diecast`. */
import { main } from "../../src/cli/main.ts";

process.exitCode = await main(process.argv.slice(2));
