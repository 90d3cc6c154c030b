/** The compiler's policies as options of the verbs that take a schema. */
import { type Command, Option } from "commander";
import { DiecastError } from "../errors.ts";
import { parseJson } from "../grammar/json/parse.ts";
import type { JsonValue } from "../grammar/json/value.ts";
import { documentUri } from "../grammar/json-schema/resources.ts";
import { MAX_WHITESPACE, POLICIES, type PolicyName } from "../grammar/option-check.ts";
import { type CompileOptions, resolveOptions } from "../grammar/options.ts";
import { UsageError } from "./exit-codes.ts";
import { parseCount } from "./model-session.ts";
import { readText } from "./schema-file.ts";

/** By default values are written as the HTTP service writes them, and an object holds nothing that its schema does not name. */
const DEFAULTS = resolveOptions({ whitespace: "spaced", openObjects: "closed", formats: "common" });

/** Every policy has a default, so all of them are there. */
export interface GrammarFlags extends Required<Pick<CompileOptions, PolicyName>> {
  readonly maxWhitespace: string;
  readonly uniqueKeys?: boolean;
  readonly schemas: readonly string[];
}

const MEANINGS: Readonly<Record<PolicyName, string>> = {
  dialect: "draft of schemas that name none; tolerant reads the keywords of all side by side",
  whitespace: "between the parts of a value",
  openObjects: "undeclared properties where the schema does not mention additionalProperties: spec allows them",
  numbers: "spec: 1.0 is an integer",
  propertyOrder: "of an object's members",
  formats: "common: those that most validators agree on",
};

export function addGrammarFlags(command: Command): void {
  for (const [name, meaning] of Object.entries(MEANINGS)) {
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const words: readonly string[] = POLICIES[name as PolicyName];
    command.addOption(
      new Option(`--${flag} <word>`, meaning)
        .choices(words)
        .default(DEFAULTS[name as PolicyName], DEFAULTS[name as PolicyName]),
    );
  }
  const collect = (file: string, files: readonly string[]): string[] => [...files, file];
  command
    .option(
      "--max-whitespace <count>",
      "most spaces and tabs in a gap of flexible whitespace",
      `${DEFAULTS.maxWhitespace}`,
    )
    .option("--unique-keys", "undeclared keys never repeat within an object")
    .addOption(
      new Option("--schemas <file>", "a document that $ref may lead to, by its $id, or as URI=FILE; may be repeated")
        .argParser(collect)
        .default([], "none"),
    );
}

/** @throws {UsageError} for a count or a file; {DiecastError} JSON_INVALID for a document that is none. */
export async function grammarOptionsOf(flags: GrammarFlags): Promise<CompileOptions> {
  const { dialect, whitespace, openObjects, numbers, propertyOrder, formats, uniqueKeys = false } = flags;
  const maxWhitespace = parseCount(flags.maxWhitespace, "--max-whitespace", 0, MAX_WHITESPACE);
  const documents = await Promise.all(flags.schemas.map(readDocument));
  const seen = new Set<string>();
  for (const [uri] of documents) {
    if (seen.has(documentUri(uri))) throw new UsageError(`two documents of --schemas have the URI ${uri}`);
    seen.add(documentUri(uri));
  }
  const schemas = Object.fromEntries(documents);
  return { dialect, whitespace, maxWhitespace, openObjects, numbers, propertyOrder, formats, uniqueKeys, schemas };
}

async function readDocument(argument: string): Promise<[uri: string, text: string]> {
  const [, given, named] = /^([a-z][a-z0-9+.-]*:.*)=([^=]*)$/i.exec(argument) ?? [];
  const file = named ?? argument;
  const text = await readText(file);
  const schema = parseDocument(file, text);
  const members = schema.kind === "object" ? schema.members : undefined;
  const id = members?.get("$id") ?? members?.get("id");
  const uri = given ?? (id?.kind === "string" ? id.value : undefined);
  if (uri === undefined) throw new UsageError(`${file} has no "$id"; say --schemas URI=${file}`);
  return [uri, text];
}

function parseDocument(file: string, text: string): JsonValue {
  try {
    return parseJson(text);
  } catch (error) {
    if (!DiecastError.is(error)) throw error;
    throw new DiecastError(error.code, `${file}: ${error.message}`, error.detail, { cause: error });
  }
}
