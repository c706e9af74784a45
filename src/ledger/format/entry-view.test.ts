import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeBlock } from '../../../test/support/ledger-blocks.ts'
import { walkEntries } from './block.ts'
import { decodeEntry, encodeEntry } from './encoding.ts'
import { EntryView, viewedTexts } from './entry-view.ts'
import { ledgerEvents } from './event.ts'
import { type LedgerEntry, ledgerEntry } from './record.ts'

const chainHash = Buffer.alloc(32, 7)
const text = fc.option(fc.string({ unit: 'binary', maxLength: 300 }))
const entry: fc.Arbitrary<LedgerEntry> = fc
  .record({
    at: fc.nat(2 ** 42),
    event: fc.constantFrom('request.admitted' as const, 'ledger.closed' as const),
    requestId: text,
    clientRequestId: text,
    code: text,
    keyId: text,
    owner: text,
    method: text,
    route: text,
    address: text,
  })
  .map(ledgerEntry)

test('looking at an entry shows what decoding it shows', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 5 }), fc.string(), (entries, other) => {
      const encoded = entries.map(encodeEntry)
      const body = encodeBlock(encoded.map((bytes) => ({ entry: bytes, chainHash })))
      const view = new EntryView()
      let count = 0
      walkEntries(body, (start, end, index) => {
        const decoded = decodeEntry(body.subarray(start, end))
        count += 1
        expect(index).toBe(count - 1)
        expect(body.subarray(start, end)).toEqual(encoded[index])
        view.read(body, start)
        expect(view.event).toBe(ledgerEvents[decoded.event])
        expect(view.at).toBe(decoded.at)
        for (const name of Object.keys(viewedTexts) as (keyof typeof viewedTexts)[]) {
          const value = decoded[name]
          expect(view.text(name)).toBe(value)
          for (const wanted of [value ?? '', other])
            expect(view.isText(name, Buffer.from(wanted))).toBe(
              value !== null && Buffer.from(value).equals(Buffer.from(wanted)),
            )
        }
      })
      expect(count).toBe(entries.length)
    }),
  )
})

test('a body that ends in the middle is refused, wherever it is cut', () => {
  const bytes = encodeEntry(ledgerEntry({ at: 1, event: 'ledger.closed', keyId: 'key_a' }))
  const body = encodeBlock([{ entry: bytes, chainHash }])
  for (let length = 1; length < body.length; length += 1)
    expect(() => walkEntries(body.subarray(0, length), () => {}), `${length}`).toThrow(RangeError)
  const view = new EntryView()
  for (let length = 1; length < 10; length += 1)
    expect(() => view.read(bytes.subarray(0, length), 0), `${length}`).toThrow(RangeError)
})
