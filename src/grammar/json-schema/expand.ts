/**
 * Expands a conjunction of schemas into alternatives of the typed normal form.
 *
 * Per JSON type the conjunction is brought into disjunctive normal form, depth first over a list of goals: `anyOf`, `oneOf`, `if`, dependencies and
 * negations fork; everything else narrows the spec. Working type by type keeps the forks few, because most branches of an `anyOf` say nothing about
 * the type at hand and either vanish or satisfy it at once (`#truth`).
 *
 * `oneOf` = ∪ᵢ (Sᵢ ∧ ⋀ ¬Sⱼ) over the j that are not provably disjoint from i. `enum` and `const` never fork: their values are checked
 * one by one against the whole conjunction.
 *
 * Where that gives many branches, the objects of a conjunction are worked THOROUGHLY instead: all forks wait until nothing else is left, the one with the
 * fewest ways open goes first, what members already say settles forks (`certainty.ts`), and the ways of a negation exclude each other
 * (`exclusive.ts`). So a discriminator is decided first and decides most of the rest.
 *
 * Cost: exponential in the worst case, bounded by the budget. Results are memoised by conjunction and type.
 * Errors: GRAMMAR_TOO_LARGE when the budget is spent. Keywords that cannot be enforced travel as `Alternative.refusal`.
 */

import { DiecastError } from "../../errors.ts";
import type { Budget } from "../budget.ts";
import { valueKey } from "../json/print.ts";
import type { JsonValue } from "../json/value.ts";
import { Certainty } from "./certainty.ts";
import { FALSE_LITERAL, type Literal, type SchemaDocument, TRUE_LITERAL } from "./document.ts";
import type { Emptiness } from "./emptiness.ts";
import type { Evaluator } from "./evaluate.ts";
import { exclusive, withoutAbsence } from "./exclusive.ts";
import { type Goal, literalGoal, type NegationContext, negate, unsupported } from "./goals.ts";
import { type Branch, Narrower } from "./narrow.ts";
import { ALL_TYPES, type Constraint, type JsonType, pointerOf, type SchemaNode, TYPE, typeOf } from "./schema-node.ts";
import { type Alternative, cloneSpec, emptySpec, type MemberLayer, specKey, type TypedSpec } from "./typed.ts";
import { unevaluatedCases } from "./unevaluated.ts";

export interface ExpanderContext {
  readonly document: SchemaDocument;
  readonly evaluator: Evaluator;
  readonly emptiness: Emptiness;
  readonly budget: Budget;
}

/** Alternatives of one conjunction and type: what a matcher can still follow side by side. */
const MAX_ALTERNATIVES = 2000;
/** Branches after which objects are worked thoroughly, which costs more for each branch and makes fewer. */
const MAX_SIMPLE_BRANCHES = 32;
/** Branches looked at to prove two schemas disjoint or one empty; beyond, no proof. */
const MAX_BRANCHES_OF_A_PROOF = 500;

const UNLIMITED = Number.POSITIVE_INFINITY;
const FORKING_TYPES: readonly JsonType[] = ["number", "string", "array", "object"];
const NULL_VALUE: JsonValue = { kind: "null", at: -1 };
const BOOLEAN_VALUES: readonly JsonValue[] = [
  { kind: "boolean", at: -1, value: true },
  { kind: "boolean", at: -1, value: false },
];

export class Expander {
  readonly #context: ExpanderContext;
  /** By conjunction and type, see `memoKey`. */
  readonly #memo = new Map<string | number, readonly Alternative[]>();
  readonly #layers = new Map<Constraint, MemberLayer>();
  /** By `disjointKey`, or by a text where it depends on what is beside. */
  readonly #disjoint = new Map<string | number, boolean>();
  readonly #narrower = new Narrower();
  readonly #negations = new Map<Literal, readonly (readonly Goal[])[]>();

  constructor(context: ExpanderContext) {
    this.#context = context;
  }

  /** The alternatives of a conjunction, over all types. None: nothing satisfies it (the converse need not hold). */
  expand(literals: readonly Literal[]): readonly Alternative[] {
    const { types, values } = this.#shortcuts(literals);
    if (values !== undefined) return this.#valueAlternatives(values, this.#besideValues(literals, values), types);
    const alternatives = this.#valueAlternatives([NULL_VALUE, ...BOOLEAN_VALUES], literals, types);
    for (const type of FORKING_TYPES) {
      if ((types & TYPE[type]) === 0) continue;
      for (const alternative of this.expandType(literals, type)) alternatives.push(alternative);
    }
    return alternatives;
  }

  /** Whether `expand` would give any alternative; stops at the first, and says true when that takes too long to find out. */
  hasAlternatives(literals: readonly Literal[]): boolean {
    const { types, values } = this.#shortcuts(literals);
    if (values !== undefined)
      return this.#valueAlternatives(values, this.#besideValues(literals, values), types).length > 0;
    if (this.#valueAlternatives([NULL_VALUE, ...BOOLEAN_VALUES], literals, types).length > 0) return true;
    return FORKING_TYPES.some((type) => (types & TYPE[type]) !== 0 && this.#hasTypeAlternatives(literals, type));
  }

  /** What can be told of a conjunction without expanding it: which types are left, and the values of an `enum` in it. */
  #shortcuts(literals: readonly Literal[]): { types: number; values: readonly JsonValue[] | undefined } {
    const { document } = this.#context;
    let types = ALL_TYPES;
    let values: readonly JsonValue[] | undefined;
    for (const literal of literals) {
      if (literal === FALSE_LITERAL) return { types: 0, values: [] };
      if ((literal & 1) === 1) continue;
      const node = document.nodeOf(literal);
      types &= node.types;
      values ??= node.constraints.find((constraint) => constraint.kind === "values")?.values;
    }
    return { types, values };
  }

  /** What the values of an `enum` among `literals` are checked against, their types aside: nothing if there is no more than a list of scalars. */
  #besideValues(literals: readonly Literal[], values: readonly JsonValue[]): readonly Literal[] {
    const isAlone = literals.length === 1 && this.#context.document.nodeOf(literals[0]!).constraints.length === 1;
    // How deep arrays and objects may be nested is for the evaluator to say.
    return isAlone && values.every(({ kind }) => kind !== "array" && kind !== "object") ? [] : literals;
  }

  /** The alternatives of a conjunction for one of the types that have infinitely many values. */
  expandType(literals: readonly Literal[], type: JsonType): readonly Alternative[] {
    const key = memoKey(literals, type);
    const known = this.#memo.get(key);
    if (known !== undefined) return known;
    const alternatives =
      type === "object"
        ? (this.#collect(literals, type, MAX_SIMPLE_BRANCHES) ?? this.#collect(literals, type, UNLIMITED, true))
        : this.#collect(literals, type, UNLIMITED);
    if (alternatives === undefined) throw this.#tooManyAlternatives(literals);
    this.#memo.set(key, alternatives);
    return alternatives;
  }

  /** All alternatives; undefined if there are too many of them or more than `maxBranches` to look at. */
  #collect(
    literals: readonly Literal[],
    type: JsonType,
    maxBranches: number,
    isThorough = false,
  ): Alternative[] | undefined {
    const { budget, document } = this.#context;
    budget.place = document.nodeOf(literals[0] ?? TRUE_LITERAL);
    const alternatives: Alternative[] = [];
    const indexes = new Map<string, number>();
    const keyOf = ({ spec }: Alternative): string =>
      spec.type === "value" ? `v ${valueKey(spec.value)}` : specKey(spec);
    const take = (alternative: Alternative): boolean => {
      // Mostly there is one only, which needs no key.
      const [first] = alternatives;
      if (first === undefined) {
        alternatives.push(alternative);
        return true;
      }
      if (alternatives.length === 1) indexes.set(keyOf(first), 0);
      const specText = keyOf(alternative);
      const index = indexes.get(specText);
      // Equal specs differ in the refusal at most, and the one without covers the other.
      if (index !== undefined) {
        if (alternative.refusal === undefined) alternatives[index] = alternative;
        return true;
      }
      indexes.set(specText, alternatives.length);
      alternatives.push(alternative);
      return alternatives.length <= MAX_ALTERNATIVES;
    };
    const first = this.#branchOf(type, literals.map(literalGoal), isThorough);
    return this.#eachAlternativeOf(first, literals, take, maxBranches) ? alternatives : undefined;
  }

  #hasTypeAlternatives(literals: readonly Literal[], type: JsonType): boolean {
    const known = this.#memo.get(memoKey(literals, type));
    if (known !== undefined) return known.length > 0;
    const { budget, document } = this.#context;
    budget.place = document.nodeOf(literals[0] ?? TRUE_LITERAL);
    let found = false;
    const isDone = this.#eachAlternative(
      literals,
      type,
      () => {
        found = true;
        return false;
      },
      MAX_BRANCHES_OF_A_PROOF,
    );
    return found || !isDone;
  }

  /**
   * Calls `take` with each alternative until it returns false. Returns whether all were seen: false also when there are more than `maxBranches`.
   */
  #eachAlternative(
    literals: readonly Literal[],
    type: JsonType,
    take: (alternative: Alternative) => boolean,
    maxBranches = UNLIMITED,
  ): boolean {
    return this.#eachAlternativeOf(this.#branchOf(type, literals.map(literalGoal)), literals, take, maxBranches);
  }

  #branchOf(type: JsonType, goals: readonly Goal[], isThorough = false): Branch {
    return {
      isThorough,
      goals: [...goals].reverse(),
      later: [],
      seen: new Set(),
      spec: emptySpec(type as TypedSpec["type"]),
      values: undefined,
      refusal: undefined,
    };
  }

  /** `literals`: what single values, from an `enum` among the goals, are checked against. */
  #eachAlternativeOf(
    first: Branch,
    literals: readonly Literal[],
    take: (alternative: Alternative) => boolean,
    maxBranches: number,
  ): boolean {
    const { type } = first.spec;
    const branches = [first];
    let numBranches = 0;
    for (let branch = branches.pop(); branch !== undefined; branch = branches.pop()) {
      if (++numBranches > maxBranches) return false;
      if (!this.#work(branch, TYPE[type], branches)) continue;
      if (branch.values !== undefined) {
        const values = branch.values.filter((value) => typeOf(value) === TYPE[type]);
        if (!this.#valueAlternatives(values, literals).every(take)) return false;
        continue;
      }
      const { spec } = branch;
      if (branch.refusal === undefined && this.#context.emptiness.isEmptySpec(spec)) continue;
      if (!take({ spec, refusal: branch.refusal })) return false;
    }
    return true;
  }

  #tooManyAlternatives(literals: readonly Literal[]): DiecastError {
    const pointer = pointerOf(this.#context.document.nodeOf(literals[0] ?? TRUE_LITERAL));
    return new DiecastError(
      "GRAMMAR_TOO_LARGE",
      `the schema's combinations (anyOf, oneOf, allOf, not) come to more than ${MAX_ALTERNATIVES} alternatives (at ${pointer})`,
      { pointer, given: MAX_ALTERNATIVES + 1, limit: MAX_ALTERNATIVES, unit: "items" },
    );
  }

  /** Whether no value of the type satisfies both; false also when that cannot be told. */
  areDisjoint(a: Literal, b: Literal, type: JsonType): boolean {
    const key = disjointKey(a, b, type);
    const known = this.#disjoint.get(key);
    if (known !== undefined) return known;
    // Until it is known better, assume the safe answer: recursion through sub-values may ask again.
    this.#disjoint.set(key, false);
    const disjoint = !this.#hasTypeAlternatives([a, b], type);
    this.#disjoint.set(key, disjoint);
    return disjoint;
  }

  layerOf(constraint: Constraint): MemberLayer {
    const known = this.#layers.get(constraint);
    if (known !== undefined) return known;
    if (constraint.kind !== "members") throw new TypeError("only `members` constraints have a layer");
    const { document } = this.#context;
    const layer: MemberLayer = {
      properties: new Map([...constraint.properties].map(([name, of]) => [name, document.literalOf(of)])),
      patterns: constraint.patterns.map(({ source, of }) => ({
        source,
        literal: document.literalOf(of),
        node: of.parent ?? of,
      })),
      rest: constraint.rest === undefined ? TRUE_LITERAL : document.literalOf(constraint.rest),
      isExplicit: constraint.rest !== undefined || constraint.patterns.length > 0,
    };
    this.#layers.set(constraint, layer);
    return layer;
  }

  #valueAlternatives(values: readonly JsonValue[], literals: readonly Literal[], types = ALL_TYPES): Alternative[] {
    const { evaluator, budget } = this.#context;
    const found: Alternative[] = [];
    for (const value of values) {
      budget.spend();
      if ((typeOf(value) & types) === 0) continue;
      if (literals.every((literal) => evaluator.satisfies(literal, value))) {
        found.push({ spec: { type: "value", value }, refusal: undefined });
      }
    }
    return found;
  }

  /** Works off all goals of a branch; forks go to `branches`. Returns false if the branch died. */
  #work(branch: Branch, type: number, branches: Branch[]): boolean {
    for (;;) {
      let goal = branch.goals.pop();
      if (goal === undefined && branch.isThorough) {
        if (branch.later.length === 0) return true;
        if (!this.#workNarrowest(branch, type, branches)) return false;
        continue;
      }
      if (goal === undefined) {
        goal = branch.later.pop();
        if (goal === undefined) return true;
        if (goal.kind === "constraint") {
          if (!this.#workDependency(branch, goal.node, goal.constraint, type, branches)) return false;
          continue;
        }
        if (goal.kind === "literal") {
          if (!this.#workNegation(branch, goal.literal, type, branches)) return false;
          continue;
        }
      }
      this.#context.budget.spend();
      const alive =
        goal.kind === "literal"
          ? this.#workLiteral(branch, goal.literal, type)
          : goal.kind === "constraint"
            ? this.#workConstraint(branch, goal.node, goal.constraint, type, branches)
            : this.#narrower.narrow(branch, goal);
      if (!alive) return false;
    }
  }

  #workLiteral(branch: Branch, literal: Literal, type: number): boolean {
    if (literal === TRUE_LITERAL || branch.seen.has(literal)) return true;
    if (literal === FALSE_LITERAL || branch.seen.has(literal ^ 1)) return false;
    branch.seen.add(literal);
    const node = this.#context.document.nodeOf(literal);
    this.#context.document.checkEndless(node);
    if ((literal & 1) === 1) {
      branch.later.push(literalGoal(literal));
      return true;
    }
    if ((node.types & type) === 0) return false;
    for (let i = node.constraints.length - 1; i >= 0; i--) {
      const constraint = node.constraints[i]!; // Invariant: i is in range.
      if ((constraint.on & type) !== 0) branch.goals.push({ kind: "constraint", node, constraint });
    }
    return true;
  }

  #workNegation(branch: Branch, literal: Literal, type: number, branches: Branch[]): boolean {
    const unions = this.#waysOfNegation(literal, type);
    return unions === undefined || this.#fork(branch, unions, type, branches);
  }

  /** The ways in which a negated literal can hold; undefined where it always does. */
  #waysOfNegation(literal: Literal, type: number): readonly (readonly Goal[])[] | undefined {
    const node = this.#context.document.nodeOf(literal);
    if ((node.types & type) === 0) return undefined;
    const unions: Goal[][] = [];
    for (const constraint of node.constraints) {
      if ((constraint.on & type) !== 0) unions.push(...negate(node, constraint, this.#negation(type)));
    }
    return withoutAbsence(unions);
  }

  /** Forks at the goal of `later` that leaves the fewest ways open, once nothing but forks is left. */
  #workNarrowest(branch: Branch, type: number, branches: Branch[]): boolean {
    let narrowest: readonly (readonly Goal[])[] | undefined;
    let at = -1;
    const certainty = this.#certaintyOf(branch);
    for (let i = branch.later.length - 1; i >= 0; i--) {
      const unions = this.#waysOf(branch, branch.later[i]!, type); // Invariant: i is in range.
      this.#context.budget.spend(1 + (unions?.length ?? 0));
      const open = unions === undefined ? undefined : this.#openWays(branch, unions, type, certainty);
      if (open === undefined) {
        branch.later.splice(i, 1);
        if (at > i) at--;
        continue;
      }
      if (open.length === 0) return false;
      if (narrowest === undefined || open.length < narrowest.length) {
        narrowest = open;
        at = i;
        if (open.length === 1) break;
      }
    }
    if (narrowest === undefined) return true;
    branch.later.splice(at, 1);
    this.#takeWays(branch, narrowest, branches);
    return true;
  }

  /** The ways in which a goal that forks can hold; undefined where it holds anyway. */
  #waysOf(branch: Branch, goal: Goal, type: number): readonly (readonly Goal[])[] | undefined {
    if (goal.kind === "constraint") return this.#waysOfConstraint(branch, goal.node, goal.constraint);
    if (goal.kind !== "literal") throw new TypeError("only literals and constraints wait");
    let unions = this.#negations.get(goal.literal);
    if (unions === undefined) {
      unions = this.#waysOfNegation(goal.literal, type);
      if (unions === undefined) return undefined;
      // Of objects only, so the literal is key enough.
      unions = exclusive(unions);
      this.#negations.set(goal.literal, unions);
    }
    return unions;
  }

  #negation(type: number): NegationContext {
    const { document } = this.#context;
    return {
      document,
      type,
      layerOf: (constraint) => this.layerOf(constraint),
      casesOf: (node, constraint) => unevaluatedCases(document, node, constraint),
    };
  }

  #workConstraint(branch: Branch, node: SchemaNode, constraint: Constraint, type: number, branches: Branch[]): boolean {
    const { document } = this.#context;
    const { spec } = branch;
    const literalOf = (of: SchemaNode): Literal => document.literalOf(of);
    switch (constraint.kind) {
      case "values":
        branch.values ??= constraint.values;
        return true;
      case "ref":
        branch.goals.push(literalGoal(literalOf(document.targetOf(node, constraint))));
        return true;
      case "allOf":
        for (let i = constraint.of.length - 1; i >= 0; i--)
          branch.goals.push(literalGoal(literalOf(constraint.of[i]!)));
        return true;
      case "anyOf":
      case "oneOf":
      case "if": {
        if (branch.isThorough) {
          branch.later.push({ kind: "constraint", node, constraint });
          return true;
        }
        return this.#fork(branch, this.#waysOfConstraint(branch, node, constraint), type, branches);
      }
      case "not":
        branch.goals.push(literalGoal(literalOf(constraint.of) ^ 1));
        return true;
      case "dependentRequired":
      case "dependentSchema":
      case "unevaluatedItems":
      case "unevaluatedProperties":
        branch.later.push({ kind: "constraint", node, constraint });
        return true;
      case "atLeast":
      case "atMost": {
        const side = constraint.kind === "atLeast" ? "min" : "max";
        return this.#narrower.narrow(branch, { ...constraint, kind: "bound", side, value: constraint.bound });
      }
      case "numProperties":
        return this.#narrower.narrow(branch, { kind: "numProperties", min: constraint.min, max: constraint.max, node });
      case "length":
      case "numItems":
        return this.#narrower.narrow(branch, { kind: constraint.kind, min: constraint.min, max: constraint.max });
      case "required":
        return this.#narrower.narrow(branch, { kind: "present", names: constraint.names });
      case "uniqueItems":
        if (spec.type === "array") spec.unique ??= node;
        return true;
      case "unsupported":
        branch.refusal ??= unsupported(node, constraint.keyword, constraint.reason);
        return true;
      case "integral":
        if (spec.type === "number") {
          spec.integral = true;
          spec.spelled ||= constraint.isSpelled;
        }
        return spec.type !== "number" || !spec.notIntegral;
      case "multipleOf":
        if (spec.type === "number") spec.multiples.push(constraint.lexeme);
        return true;
      case "pattern":
        if (spec.type === "string") {
          spec.tests.push({ kind: "pattern", negated: false, source: constraint.source, node, keyword: "pattern" });
        }
        return true;
      case "format":
        if (spec.type === "string") spec.tests.push({ kind: "format", negated: false, name: constraint.name });
        return true;
      case "items":
        if (spec.type === "array") {
          const rest = constraint.rest === undefined ? TRUE_LITERAL : literalOf(constraint.rest);
          spec.layers.push({ prefix: constraint.prefix.map(literalOf), rest });
        }
        return true;
      case "contains": {
        const obligation = { from: 0, literal: literalOf(constraint.of), min: constraint.min, max: constraint.max };
        return this.#narrower.narrow(branch, { kind: "someItem", obligation });
      }
      case "members":
        if (spec.type === "object") {
          const layer = this.layerOf(constraint);
          if (!spec.layers.includes(layer)) spec.layers.push(layer);
        }
        return true;
      case "propertyNames":
        if (spec.type === "object") spec.keyLiterals.push(literalOf(constraint.of));
        return true;
    }
  }

  #workDependency(branch: Branch, node: SchemaNode, constraint: Constraint, type: number, branches: Branch[]): boolean {
    const unions = this.#waysOfConstraint(branch, node, constraint);
    return this.#fork(branch, unions, type, branches);
  }

  /** The ways in which a keyword that forks can hold. */
  #waysOfConstraint(branch: Branch, node: SchemaNode, constraint: Constraint): Goal[][] {
    const { document } = this.#context;
    const literalOf = (of: SchemaNode): Literal => document.literalOf(of);
    switch (constraint.kind) {
      case "anyOf":
        return constraint.of.map((of) => [literalGoal(literalOf(of))]);
      case "oneOf":
        return this.#exactlyOne(branch, node, constraint.of.map(literalOf));
      case "if": {
        const test = literalOf(constraint.test);
        const yes = constraint.yes === undefined ? TRUE_LITERAL : literalOf(constraint.yes);
        const no = constraint.no === undefined ? TRUE_LITERAL : literalOf(constraint.no);
        if (yes === no) return [[literalGoal(yes)]];
        return [
          [literalGoal(test), literalGoal(yes)],
          [literalGoal(test ^ 1), literalGoal(no)],
        ];
      }
      case "unevaluatedItems":
      case "unevaluatedProperties":
        return unevaluatedCases(document, node, constraint).map(({ conditions, members, items }): Goal[] => [
          ...conditions,
          ...(members === undefined ? [] : [{ kind: "memberLayer", layer: members } as const]),
          ...(items === undefined ? [] : [{ kind: "itemLayer", layer: items } as const]),
        ]);
      case "dependentRequired":
        return [
          [{ kind: "absent", name: constraint.name }],
          [{ kind: "present", names: [constraint.name, ...constraint.names] }],
        ];
      case "dependentSchema": {
        const literal = literalOf(constraint.of);
        const absent: Goal = { kind: "absent", name: constraint.name };
        // Many members that depend on one and the same are decided by that one.
        if (branch.isThorough && isAboutOneMember(constraint.of)) {
          return [[literalGoal(literal)], [absent, literalGoal(literal ^ 1)]];
        }
        return [[absent], [{ kind: "present", names: [constraint.name] }, literalGoal(literal)]];
      }
      default:
        throw new TypeError(`${constraint.keyword} does not fork`);
    }
  }

  #exactlyOne(branch: Branch, node: SchemaNode, literals: readonly Literal[]): Goal[][] {
    const { type } = branch.spec;
    let specText: string | undefined;
    const areDisjointBeside = (a: Literal, b: Literal): boolean => {
      if (branch.isThorough || type !== "object") return false;
      specText ??= specKey(branch.spec);
      return this.#areDisjointBeside(branch, node, a, b, specText);
    };
    return literals.map((chosen, i) => [
      literalGoal(chosen),
      ...literals.flatMap((other, j) =>
        i === j || this.areDisjoint(chosen, other, type) || areDisjointBeside(chosen, other)
          ? []
          : [literalGoal(other ^ 1)],
      ),
    ]);
  }

  /**
   * Whether nothing satisfies both beside what the branch has come to and what else `node` says: a discriminator that only the schema around the
   * `oneOf` requires, for instance. `specText` is the key of the branch's spec.
   */
  #areDisjointBeside({ spec }: Branch, node: SchemaNode, a: Literal, b: Literal, specText: string): boolean {
    const key = `${node.id} ${Math.min(a, b)},${Math.max(a, b)} ${specText}`;
    const known = this.#disjoint.get(key);
    if (known !== undefined) return known;
    // As in `areDisjoint`.
    this.#disjoint.set(key, false);
    const beside = node.constraints.filter(({ kind }) => kind === "required" || kind === "members");
    const goals = [
      ...beside.map((constraint): Goal => ({ kind: "constraint", node, constraint })),
      literalGoal(a),
      literalGoal(b),
    ];
    let found = false;
    const first: Branch = { ...this.#branchOf(spec.type, goals), spec: cloneSpec(spec) };
    const take = (): boolean => {
      found = true;
      return false;
    };
    const disjoint = this.#eachAlternativeOf(first, [a, b], take, MAX_BRANCHES_OF_A_PROOF) && !found;
    this.#disjoint.set(key, disjoint);
    return disjoint;
  }

  /** Makes the branch satisfy one of `unions`: the first goes on in `branch`, the others become branches of their own. */
  #fork(branch: Branch, unions: readonly (readonly Goal[])[], type: number, branches: Branch[]): boolean {
    const open = this.#openWays(branch, unions, type, this.#certaintyOf(branch));
    if (open === undefined) return true;
    if (open.length === 0) return false;
    this.#takeWays(branch, open, branches);
    return true;
  }

  /** There is one at least. */
  #takeWays(branch: Branch, [first, ...others]: readonly (readonly Goal[])[], branches: Branch[]): void {
    for (const goals of others.reverse()) {
      this.#context.budget.spend(2 + ((branch.goals.length + branch.later.length + branch.seen.size) >> 3));
      branches.push({
        isThorough: branch.isThorough,
        goals: [...branch.goals, ...[...goals].reverse()],
        later: [...branch.later],
        seen: new Set(branch.seen),
        spec: cloneSpec(branch.spec),
        values: branch.values,
        refusal: branch.refusal,
      });
    }
    branch.goals.push(...[...first!].reverse());
  }

  /** Of objects that are worked thoroughly; valid until the branch goes on. */
  #certaintyOf({ isThorough, spec }: Branch): Certainty | undefined {
    return isThorough && spec.type === "object" ? new Certainty(this.#context, spec) : undefined;
  }

  /** The ways that are neither certain nor impossible, without what is certain in them; undefined if one of them holds anyway. */
  #openWays(
    branch: Branch,
    unions: readonly (readonly Goal[])[],
    type: number,
    certainty: Certainty | undefined,
  ): readonly (readonly Goal[])[] | undefined {
    const open: (readonly Goal[])[] = [];
    for (const goals of unions) {
      const truths = goals.map((goal) => this.#truth(branch, goal, type));
      if (truths.includes(false)) continue;
      const unknown = goals.filter((_, i) => truths[i] === undefined);
      if (unknown.length === 0) return undefined;
      const truth = certainty?.ofGoals(unknown);
      if (truth === true) return undefined;
      if (truth === false) continue;
      open.push(unknown);
    }
    return open;
  }

  /** What is already certain about a goal in this branch; undefined if nothing. */
  #truth(branch: Branch, goal: Goal, type: number): boolean | undefined {
    const { spec } = branch;
    switch (goal.kind) {
      case "literal": {
        const { literal } = goal;
        if (literal === TRUE_LITERAL || branch.seen.has(literal)) return true;
        if (literal === FALSE_LITERAL || branch.seen.has(literal ^ 1)) return false;
        const node = this.#context.document.nodeOf(literal);
        const negated = (literal & 1) === 1;
        if ((node.types & type) === 0) return negated;
        if (node.constraints.every((constraint) => (constraint.on & type) === 0)) return !negated;
        return undefined;
      }
      case "present":
        if (spec.type === "object" && goal.names.every((name) => spec.required.includes(name))) return true;
        return undefined;
      case "absent":
        return spec.type === "object" && spec.required.includes(goal.name) ? false : undefined;
      case "notIntegral":
        return spec.type === "number" && spec.integral ? false : undefined;
      default:
        return undefined;
    }
  }
}

/** The order of the two makes no difference. */
function disjointKey(a: Literal, b: Literal, type: JsonType): number {
  // Exact as long as there are no more than four million nodes.
  return (Math.min(a, b) * 2 ** 23 + Math.max(a, b)) * (ALL_TYPES + 1) + TYPE[type];
}

/** Most conjunctions are of one literal, and a number is made faster than a text. */
function memoKey(literals: readonly Literal[], type: JsonType): string | number {
  return literals.length === 1 ? literals[0]! * (ALL_TYPES + 1) + TYPE[type] : `${type}:${literals.join()}`;
}

/** Whether a schema demands something of one member's value and nothing else: neither it nor its negation forks. */
function isAboutOneMember({ constraints, types }: SchemaNode): boolean {
  const [first, second] = constraints;
  if (first?.kind !== "members" || second !== undefined || (types & TYPE.object) === 0) return false;
  return first.properties.size === 1 && first.patterns.length === 0 && first.rest === undefined;
}
