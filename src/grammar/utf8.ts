/** Text as bytes. */

const encoder = new TextEncoder();

/** UTF-8. Most texts of a schema are short names in ASCII, over which the platform's encoder takes longer. */
export function utf8Of(text: string): Uint8Array {
  if (text.length > 200) return encoder.encode(text);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return encoder.encode(text);
    bytes[i] = unit;
  }
  return bytes;
}
