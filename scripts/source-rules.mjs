/** House rules about sources that no linter knows: both languages' view of the grammar program, and how long a file may be. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

const MAX_LINES = 800;
const SOURCE_FOLDERS = ["src", "native", "kernels", "test", "scripts", "bench"];
const SOURCE_ENDINGS = [".ts", ".mts", ".mjs", ".h", ".cc", ".cu", ".cuh"];

/** Paths, relative to `root`, of the files in `folders` that have one of `endings`; fixtures are data and left out. */
export function listFiles(root, folders, endings) {
  const found = [];
  const visit = (path) => {
    if (!existsSync(join(root, path)) || path.endsWith("/fixtures")) return;
    if (!statSync(join(root, path)).isDirectory()) {
      if (endings.some((ending) => path.endsWith(ending))) found.push(path);
      return;
    }
    for (const name of readdirSync(join(root, path)).sort()) visit(`${path}/${name}`);
  };
  for (const folder of folders) visit(folder);
  return found;
}

/** A line for each file that is longer than a file may be. */
export function findOversizedFiles(root) {
  return listFiles(root, SOURCE_FOLDERS, SOURCE_ENDINGS)
    .map((path) => ({ path, lines: readFileSync(join(root, path), "utf8").split("\n").length - 1 }))
    .filter(({ lines }) => lines > MAX_LINES)
    .map(({ path, lines }) => `${path} has ${lines} lines; the limit is ${MAX_LINES}`);
}

const capitalize = (name) => name[0].toUpperCase() + name.slice(1);
const pascal = (name) => name.toLowerCase().split("_").map(capitalize).join("");

/** Constants of the TypeScript layout under the names that the C++ file gives them: HEADER.rootRule is kHeaderRootRule. */
export function typeScriptConstants(source) {
  const constants = new Map();
  const text = source.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
  for (const [, name, value] of text.matchAll(/export const (\w+) = (0x[\da-f]+|\d+);/g)) {
    constants.set(`k${pascal(name)}`, Number(value));
  }
  for (const [, table, body] of text.matchAll(/export const (\w+) = \{([^}]*)\} as const/g)) {
    for (const [, field, value] of body.matchAll(/(\w+): (\d+)/g)) {
      constants.set(`k${pascal(table)}${capitalize(field)}`, Number(value));
    }
  }
  return constants;
}

export function cppConstants(source) {
  const text = source.replace(/\/\/.*$/gm, "");
  return new Map([...text.matchAll(/\b(k\w+) = (0x[\da-f]+|\d+)/g)].map(([, name, value]) => [name, Number(value)]));
}

/** A line for each name that the two layout files do not give the same number; reserved fields need no C++ name. */
export function compareLayouts(root) {
  const ts = typeScriptConstants(readFileSync(join(root, "src/fsm/program-layout.ts"), "utf8"));
  const cpp = cppConstants(readFileSync(join(root, "native/matcher/program_layout.h"), "utf8"));
  const problems = [];
  for (const [name, value] of cpp) {
    if (ts.get(name) !== value)
      problems.push(`${name} is ${value} in C++ and ${ts.get(name) ?? "missing"} in TypeScript`);
  }
  for (const [name, value] of ts) {
    if (!cpp.has(name) && !/Reserved\d*$/.test(name)) problems.push(`${name} (${value}) is missing in C++`);
  }
  return problems;
}
