/** Writes small zip archives for the tests of the reader. */
import { crc32, deflateRawSync } from "node:zlib";

export interface ZipInput {
  readonly name: string;
  readonly content: Buffer;
  readonly stored?: boolean;
}

/** A zip archive with `inputs` in order; no Zip64, no data descriptors. */
export function writeZip(inputs: readonly ZipInput[]): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, stored = false } of inputs) {
    const data = stored ? content : deflateRawSync(content);
    const nameBytes = Buffer.from(name);
    // Method, time, date, CRC, both sizes, name length, extra length: the part that both headers share.
    const shared = Buffer.alloc(22);
    shared.writeUInt16LE(stored ? 0 : 8, 0);
    shared.writeUInt32LE(crc32(content), 6);
    shared.writeUInt32LE(data.length, 10);
    shared.writeUInt32LE(content.length, 14);
    shared.writeUInt16LE(nameBytes.length, 18);
    const local = Buffer.concat([Buffer.from("PK\x03\x04\x14\0\0\0", "latin1"), shared, nameBytes, data]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\0\x14\0\0\0", "latin1"), shared, tail, nameBytes]));
    bodies.push(local);
    offset += local.length;
  }
  const listing = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(inputs.length, 8);
  end.writeUInt16LE(inputs.length, 10);
  end.writeUInt32LE(listing.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...bodies, listing, end]);
}
