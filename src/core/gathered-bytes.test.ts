import fc from 'fast-check'
import { expect, test } from 'vitest'
import { GatheredBytes } from './gathered-bytes.ts'

test('pieces of any size are all there in their order, once, and none of them is kept', () => {
  const size = fc.oneof(fc.nat(3), fc.nat(70_000), fc.constantFrom(65_535, 65_536, 65_537))
  fc.assert(
    fc.property(fc.array(size, { maxLength: 20 }), fc.boolean(), (sizes, takesBetween) => {
      const gathered = new GatheredBytes()
      const taken: Buffer[] = []
      let at = 0
      for (const [index, length] of sizes.entries()) {
        const piece = Buffer.from(Uint8Array.from({ length }, (_, offset) => (at + offset) % 251))
        at += length
        gathered.add(piece)
        // What sent it may use its memory again.
        piece.fill(255)
        if (takesBetween && index % 7 === 0) taken.push(gathered.take())
      }
      const { length } = gathered
      const last = gathered.take()
      expect([last.length, gathered.length, gathered.take().length]).toEqual([length, 0, 0])
      const all = Buffer.concat([...taken, last])
      expect(all.length).toBe(at)
      expect(all.findIndex((byte, offset) => byte !== offset % 251)).toBe(-1)
    }),
    { numRuns: 50 },
  )
})
