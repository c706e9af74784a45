import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createKeptProtocol } from './kept-protocol.ts'

const happening = fc.constantFrom('kill', 'flush', 'restore', 'wait', 'wait', 'wait')

test('kept limits: never more than N in any window, at every moment at least what was used is kept, and a loss costs 1/64 at most', async () => {
  let admitted = 0
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.constantFrom(1, 3, 10, 64, 200, 640),
      fc.array(happening, { maxLength: 12 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 25 }),
      fc.infiniteStream(fc.nat(99)),
      async (interleaving, amount, happenings, nodes, takes, chances) => {
        const protocol = createKeptProtocol(interleaving, amount, () => chances.next().value)
        const work = Array.from({ length: nodes }, async () => {
          const node = protocol.createNode()
          // Two at once, as a node that serves two requests.
          const line = async (): Promise<void> => {
            for (let taken = 0; taken < takes; taken += 1) await node.take()
          }
          await Promise.all([line(), line()])
        })
        const chaos = (async () => {
          for (const name of happenings) {
            for (let left = chances.next().value; left > 0; left -= 1)
              await interleaving.schedule(Promise.resolve(), 'quiet')
            await protocol.happen(name)
          }
        })()
        await interleaving.waitFor(Promise.all([...work, chaos]))
        expect(protocol.violations).toEqual([])
        admitted += protocol.admitted.length
      },
    ),
    { numRuns: Number(process.env['RUNS'] ?? 400), endOnFailure: true },
  )
  expect(admitted).toBeGreaterThan(1_000)
})
