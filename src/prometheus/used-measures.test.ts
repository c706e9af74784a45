import { expect, test } from 'vitest'
import { createUsedMeasures } from './used-measures.ts'

test('no program uses up the names of our own measures with costs of its own', () => {
  const used = createUsedMeasures(10, { take: () => true })
  for (let cost = 0; cost < 30; cost += 1) used.add(`cost_${cost}`, undefined, 1)
  for (const measure of ['requests', 'characters', 'tokens']) used.add(measure, undefined, 5)
  const sums = Object.fromEntries(used.values().map(({ labels, value }) => [labels?.['measure'], value]))
  expect(sums).toMatchObject({ requests: 5, characters: 5, tokens: 5, other: 13 })
})
