/**
 * Makes the ways of a union exclude each other: A ∪ B ∪ C becomes A ∪ (¬A ∧ B) ∪ (¬A ∧ ¬B ∧ C).
 *
 * Every later fork that asks the same question then finds it answered, which keeps the number of combinations near the number of different answers. Only
 * complements that don't fork themselves are added; ways without one may overlap with others, which is as correct.
 */

import { type Literal, TRUE_LITERAL } from "./document.ts";
import type { Goal } from "./goals.ts";
import type { MemberLayer, MemberObligation } from "./typed.ts";

export function exclusive(unions: readonly (readonly Goal[])[]): Goal[][] {
  const before: Goal[] = [];
  return [...unions]
    .sort((a, b) => rank(a) - rank(b))
    .map((goals) => {
      const way = [...before, ...goals];
      before.push(...complement(goals));
      return way;
    });
}

/** "`x` is absent" or "`x` is there and satisfies S" is "`x` satisfies S where it is there": one way, which does not fork. */
export function withoutAbsence(unions: readonly (readonly Goal[])[]): readonly (readonly Goal[])[] {
  const absent = new Set<string>();
  for (const [goal, other] of unions) if (goal?.kind === "absent" && other === undefined) absent.add(goal.name);
  if (absent.size === 0) return unions;
  const merged = new Set<string>();
  const ways = unions.map((goals) => {
    const value = valueOfOne(goals);
    if (value === undefined || !absent.has(value.name) || merged.has(value.name)) return goals;
    merged.add(value.name);
    return [value];
  });
  return ways.filter(([goal, other]) => goal?.kind !== "absent" || other !== undefined || !merged.has(goal.name));
}

/** The demand on a member's value in a way that says nothing but "`x` is there and satisfies S". */
function valueOfOne([first, second, third]: readonly Goal[]): (Goal & { kind: "memberAt" }) | undefined {
  if (first?.kind !== "present" || second?.kind !== "memberAt" || third !== undefined) return undefined;
  return first.names.length === 1 && first.names[0] === second.name ? second : undefined;
}

/** Absent members first, then values of members, then what any member may meet. */
function rank(goals: readonly Goal[]): number {
  const kinds = goals.map((goal) => goal.kind);
  if (kinds.includes("someMember")) return 3;
  if (kinds.includes("memberAt")) return 1;
  return kinds.includes("absent") ? 0 : 2;
}

/** Goals without forks that hold where `goals` do not hold together, and nowhere else; none where there are no such. */
function complement(goals: readonly Goal[]): Goal[] {
  const value = valueOfOne(goals);
  if (value !== undefined) return [{ ...value, literal: value.literal ^ 1 }];
  const [first, second] = goals;
  if (first === undefined || second !== undefined) return [];
  switch (first.kind) {
    case "memberAt":
      return [
        { kind: "present", names: [first.name] },
        { ...first, literal: first.literal ^ 1 },
      ];
    case "absent":
      return [{ kind: "present", names: [first.name] }];
    case "present":
      return first.names.length === 1 ? [{ kind: "absent", name: first.names[0]! }] : []; // Invariant: one name.
    case "literal":
      // The other way round it would wait as a fork.
      return (first.literal & 1) === 1 ? [{ kind: "literal", literal: first.literal ^ 1 }] : [];
    case "someMember":
      return [{ kind: "memberLayer", layer: layerWithout(first.obligation) }];
    default:
      return [];
  }
}

/** By the obligation's layer and key: layers are compared by identity. */
const layers = new WeakMap<MemberLayer, Map<string, MemberLayer>>();

/** The layer under which no member meets the obligation. */
function layerWithout({ layer, pattern, literal }: MemberObligation): MemberLayer {
  let ofLayer = layers.get(layer);
  if (ofLayer === undefined) {
    ofLayer = new Map();
    layers.set(layer, ofLayer);
  }
  const key = `${literal} ${pattern?.source ?? ""} ${pattern === undefined}`;
  let without = ofLayer.get(key);
  if (without === undefined) {
    const other: Literal = literal ^ 1;
    const { isExplicit } = layer;
    without =
      pattern === undefined
        ? {
            properties: new Map([...layer.properties.keys()].map((name) => [name, TRUE_LITERAL])),
            patterns: layer.patterns.map((each) => ({ ...each, literal: TRUE_LITERAL })),
            rest: other,
            isExplicit,
          }
        : { properties: new Map(), patterns: [{ ...pattern, literal: other }], rest: TRUE_LITERAL, isExplicit };
    ofLayer.set(key, without);
  }
  return without;
}
