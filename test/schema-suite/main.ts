/**
 * Prints how the compiler does on the official JSON Schema test suite.
 * What `--write` puts into expected.json the test holds as a ratchet.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { Command, Option } from "commander";
import { judge } from "./judge.ts";
import { DRAFTS, hasSuite, readGroups, remoteSchemas } from "./suite.ts";
import { countByFile, type JudgedGroup, markdown } from "./table.ts";

const values = new Command("schema-suite")
  .description("how the compiler does on the official JSON Schema test suite")
  .addOption(new Option("--draft <name>", "one draft only").choices(DRAFTS))
  .option("--file <name>", "one file only")
  .addOption(new Option("--list <outcome>", "names the groups").choices(["refused", "wrong", "all"]))
  .option("--write", "puts the table into docs/conformance.md, the counts into test/schema-suite/expected.json")
  .parse()
  .opts<{ draft?: string; file?: string; list?: string; write?: boolean }>();

const START = "<!-- table: begin -->";
const END = "<!-- table: end -->";

if (!hasSuite()) {
  console.error("the JSON Schema test suite is not here; see test/schema-suite/suite.ts for where it is looked for");
  process.exit(1);
}
const schemas = remoteSchemas();
const judged: JudgedGroup[] = [];
for (const draft of DRAFTS) {
  if (values.draft !== undefined && draft !== values.draft) continue;
  for (const group of readGroups(draft)) {
    if (values.file !== undefined && group.file !== values.file) continue;
    judged.push({ group, ...judge(group, schemas) });
  }
}
for (const { group, outcome, reason } of judged) {
  if (values.list !== undefined && outcome !== "exact" && (values.list === "all" || values.list === outcome)) {
    console.log(`${outcome} ${group.draft}/${group.section}/${group.file}: ${group.description}: ${reason}`);
  }
}
const table = markdown(judged);
console.log(table);
if (values.write) {
  const page = new URL("../../docs/conformance.md", import.meta.url);
  const text = readFileSync(page, "utf8");
  const [before, after] = [text.slice(0, text.indexOf(START) + START.length), text.slice(text.indexOf(END))];
  writeFileSync(page, `${before}\n\n${table}\n\n${after}`);
  const expected = new URL("expected.json", import.meta.url);
  writeFileSync(expected, `${JSON.stringify(countByFile(judged), null, 2)}\n`);
}
