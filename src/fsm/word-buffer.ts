/** Growable arrays of 32-bit words and bytes: what a program's sections are written into before their sizes are known. */

export class WordBuffer {
  words = new Uint32Array(256);
  length = 0;

  /** Makes room for `count` more words and returns where they start; the caller fills them. */
  reserve(count: number): number {
    const start = this.length;
    this.length += count;
    if (this.length > this.words.length) {
      const grown = new Uint32Array(Math.max(this.length, this.words.length * 2));
      grown.set(this.words);
      this.words = grown;
    }
    return start;
  }

  push2(a: number, b: number): void {
    const at = this.reserve(2);
    this.words[at] = a;
    this.words[at + 1] = b;
  }

  push3(a: number, b: number, c: number): void {
    const at = this.reserve(3);
    this.words[at] = a;
    this.words[at + 1] = b;
    this.words[at + 2] = c;
  }

  view(): Uint32Array {
    return this.words.subarray(0, this.length);
  }
}

export class ByteBuffer {
  bytes = new Uint8Array(256);
  length = 0;

  append(bytes: Uint8Array): number {
    const start = this.length;
    this.grow(bytes.length);
    this.bytes.set(bytes, start);
    return start;
  }

  push(byte: number): void {
    this.grow(1);
    this.bytes[this.length - 1] = byte;
  }

  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  private grow(count: number): void {
    this.length += count;
    if (this.length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.length, this.bytes.length * 2));
      grown.set(this.bytes);
      this.bytes = grown;
    }
  }
}
