import { expect, test } from 'vitest'
import { ledgerEntry } from '../../ledger/format/record.ts'
import { createEntryQueue } from './entry-queue.ts'

test('an entry waits from when it came, also behind one that could not be encoded', async () => {
  let now = 0
  const sent: number[] = []
  const queue = createEntryQueue({
    async send(_entries, _count, since) {
      sent.push(since)
    },
    entriesMax: 10,
    monotonic: () => now,
  })
  const entry = ledgerEntry({ at: 1, event: 'ledger.opened' })
  await expect(queue.append({ ...entry, requestId: 7 as unknown as string })).rejects.toThrow(TypeError)
  now = 60_000
  await queue.append(entry)
  expect(sent).toEqual([60_000])
})
