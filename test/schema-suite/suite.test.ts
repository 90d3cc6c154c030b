/**
 * The official JSON Schema test suite: nothing is wrong, and no file does worse than expected.json says.
 *
 * `npx tsx test/schema-suite/main.ts --write` records progress.
 */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { judge } from "./judge.ts";
import { DRAFTS, hasSuite, readGroups, remoteSchemas } from "./suite.ts";
import { type Counts, countByFile } from "./table.ts";

const expected = JSON.parse(readFileSync(new URL("expected.json", import.meta.url), "utf8")) as Record<string, Counts>;

if (!hasSuite()) console.log("skipped: the JSON Schema test suite is not here");

describe.runIf(hasSuite())("the official JSON Schema test suite", () => {
  const schemas = hasSuite() ? remoteSchemas() : {};
  it.each(DRAFTS)("%s: every group is exact, or refused with a reason, and none that was exact is lost", (draft) => {
    const judged = readGroups(draft).map((group) => ({ group, ...judge(group, schemas) }));
    const wrong = judged.filter(({ outcome }) => outcome === "wrong");
    expect(wrong.map(({ group, reason }) => `${group.section}/${group.file}: ${group.description}: ${reason}`)).toEqual(
      [],
    );
    const worse = Object.entries(countByFile(judged)).filter(
      ([file, { exact }]) => exact < (expected[file]?.exact ?? 0),
    );
    expect(worse).toEqual([]);
    expect(judged.length).toBeGreaterThan(150);
  });
});
