/**
 * Which members an object spec can have: the declared names with their value literals, and cells of other keys.
 *
 * Every layer (one `properties`/`patternProperties`/`additionalProperties` triple) has its say on every key. Declared names are judged one by one. All
 * other keys are partitioned by which patterns they match; the keys of one cell get the same value literals, so overlapping patterns and several
 * layers intersect exactly. Cells whose values are `false` or whose keys do not exist are left out.
 */

import type { Lexeme } from "../../fsm/lexeme.ts";
import { FALSE_LITERAL, type Literal, TRUE_LITERAL } from "./document.ts";
import { partitionKeys } from "./key-cells.ts";
import type { LoweringContext } from "./lower.ts";
import { addMemberLiterals, type MemberLayer, type ObjectSpec, type PatternLayer, type StringSpec } from "./typed.ts";

export interface ShapeMember {
  readonly name: string;
  readonly literals: readonly Literal[];
  readonly isRequired: boolean;
}

/** Keys that are not declared and match exactly the patterns in `matched` (of all patterns around). */
export interface KeyCell {
  readonly lexeme: Lexeme;
  readonly literals: readonly Literal[];
  /** Pattern sources. */
  readonly matched: ReadonlySet<string>;
}

export interface ObjectShape {
  /** In order of generation. */
  readonly members: readonly ShapeMember[];
  readonly cells: readonly KeyCell[];
}

/** Specs belong to one compilation and no longer change when their shape is asked for. */
const shapes = new WeakMap<ObjectSpec, ObjectShape>();

export function objectShape(context: LoweringContext, spec: ObjectSpec): ObjectShape {
  let shape = shapes.get(spec);
  if (shape === undefined) {
    shape = makeShape(context, spec);
    shapes.set(spec, shape);
  }
  return shape;
}

function makeShape(context: LoweringContext, spec: ObjectSpec): ObjectShape {
  const { evaluator } = context;
  const layers =
    spec.obligations.length === 0
      ? spec.layers
      : [...spec.layers, ...spec.obligations.map((obligation) => obligation.layer)];
  const names = new Set<string>();
  for (const layer of layers) for (const name of layer.properties.keys()) names.add(name);
  for (const name of spec.required) names.add(name);
  const keySpecs = keySpecsOf(context, spec, names);
  const required = new Set(spec.required);
  const members: ShapeMember[] = [];
  const values = valueLiterals(context, spec.layers, names);
  for (const name of names) {
    const isKey = spec.keyLiterals.every((key) => evaluator.satisfies(key, { kind: "string", at: -1, value: name }));
    const literals = isKey ? (values.get(name) ?? []) : [FALSE_LITERAL];
    if (!literals.includes(FALSE_LITERAL)) members.push({ name, literals, isRequired: required.has(name) });
    // A required member without a value: the frame keeps it, so that the rule comes out empty.
    else if (required.has(name)) members.push({ name, literals: [FALSE_LITERAL], isRequired: true });
  }
  if (isClosed(context, spec, names.size)) return { members, cells: [] };
  return { members, cells: cellsOf(context, spec, layers, names, keySpecs) };
}

/** Under the `closed` policy a missing `additionalProperties` beside declared properties allows no others. */
function isClosed(context: LoweringContext, spec: ObjectSpec, numNames: number): boolean {
  if (context.openObjects !== "closed" || numNames === 0 || spec.minProperties > numNames) return false;
  return !spec.layers.some((layer) => layer.isExplicit) && spec.obligations.length === 0;
}

/** What `propertyNames` leaves of all strings; single names it lists are added to `names`. */
function keySpecsOf(context: LoweringContext, spec: ObjectSpec, names: Set<string>): StringSpec[] {
  const any: StringSpec = { type: "string", minLength: 0, maxLength: Number.POSITIVE_INFINITY, tests: [] };
  if (spec.keyLiterals.length === 0) return [any];
  const specs: StringSpec[] = [];
  for (const alternative of context.expander.expand(spec.keyLiterals)) {
    if (alternative.spec.type === "value" && alternative.spec.value.kind === "string") {
      names.add(alternative.spec.value.value);
    } else if (alternative.spec.type === "string") {
      if (alternative.refusal !== undefined) throw alternative.refusal;
      specs.push(alternative.spec);
    }
  }
  return specs;
}

/** What the value of each name must satisfy. Most layers are about the members that they declare alone, and are not asked about others. */
function valueLiterals(
  { evaluator, budget }: LoweringContext,
  layers: readonly MemberLayer[],
  names: ReadonlySet<string>,
): ReadonlyMap<string, readonly Literal[]> {
  const values = new Map<string, Literal[]>();
  const add = (layer: MemberLayer, name: string): void => {
    let literals = values.get(name);
    if (literals === undefined) {
      literals = [];
      values.set(name, literals);
    }
    addMemberLiterals(layer, name, evaluator.matchesPattern, literals);
  };
  let looked = 0;
  for (const layer of layers) {
    const own = layer.patterns.length === 0 && layer.rest === TRUE_LITERAL ? layer.properties : undefined;
    looked += own?.size ?? names.size;
    for (const name of own?.keys() ?? names) add(layer, name);
  }
  budget.spend(looked >> 4);
  return values;
}

function cellsOf(
  context: LoweringContext,
  spec: ObjectSpec,
  layers: readonly MemberLayer[],
  names: ReadonlySet<string>,
  keySpecs: readonly StringSpec[],
): KeyCell[] {
  const { strings, budget } = context;
  const patterns = new Map<string, PatternLayer>();
  for (const layer of layers) for (const pattern of layer.patterns) patterns.set(pattern.source, pattern);
  const cells: KeyCell[] = [];
  for (const { tests, matched } of partitionKeys(strings, budget, [...patterns.values()])) {
    const literals = spec.layers.flatMap((layer) => {
      const own = layer.patterns.filter((pattern) => matched.has(pattern.source));
      return own.length > 0 ? own.map((pattern) => pattern.literal) : [layer.rest];
    });
    if (literals.includes(FALSE_LITERAL)) continue;
    for (const key of keySpecs) {
      const lexeme = strings.keyLexeme({ ...key, tests: [...tests, ...key.tests] }, [...names]);
      if (!lexeme.isEmpty) cells.push({ lexeme, literals, matched });
    }
  }
  return cells;
}
