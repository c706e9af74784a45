/** By code points, as databases compare UTF-8; JavaScript's `<` compares UTF-16 units and puts U+10000 before U+E000. */
export function compareText(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
