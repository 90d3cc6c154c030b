/** Numbers sequences of integers: equal sequences get equal ids, counted from 0. */

export class SequenceTable {
  private readonly sequences: (readonly number[])[] = [];
  private readonly hashes: number[] = [];
  /** Open addressing; -1 is free. Its length is a power of two. */
  private slots = new Int32Array(64).fill(-1);

  get size(): number {
    return this.sequences.length;
  }

  get(id: number): readonly number[] {
    return this.sequences[id]!;
  }

  /** The id of `sequence`, which is kept when it is new and must not be changed afterwards. */
  intern(sequence: readonly number[]): number {
    return this.idOf(sequence, false);
  }

  /** As `intern`, of a sequence that the caller goes on to use for others. */
  internCopy(sequence: readonly number[]): number {
    return this.idOf(sequence, true);
  }

  private idOf(sequence: readonly number[], isScratch: boolean): number {
    const hash = hashOf(sequence);
    let slot = hash & (this.slots.length - 1);
    for (let id = this.slots[slot]!; id !== -1; id = this.slots[slot]!) {
      if (this.hashes[id] === hash && areEqual(this.sequences[id]!, sequence)) return id;
      slot = (slot + 1) & (this.slots.length - 1);
    }
    const id = this.sequences.push(isScratch ? sequence.slice() : sequence) - 1;
    this.hashes.push(hash);
    this.slots[slot] = id;
    if (2 * this.sequences.length > this.slots.length) this.rehash();
    return id;
  }

  private rehash(): void {
    const slots = new Int32Array(this.slots.length * 2).fill(-1);
    this.hashes.forEach((hash, id) => {
      let slot = hash & (slots.length - 1);
      while (slots[slot] !== -1) slot = (slot + 1) & (slots.length - 1);
      slots[slot] = id;
    });
    this.slots = slots;
  }
}

function hashOf(sequence: readonly number[]): number {
  let hash = sequence.length;
  for (let i = 0; i < sequence.length; i++) {
    hash = Math.imul(hash ^ sequence[i]!, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}

function areEqual(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
