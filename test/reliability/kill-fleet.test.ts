import { expect, test } from 'vitest'
import { killFleet } from './kill-fleet.ts'

// `node test/reliability/kill-fleet.ts 20` plays twenty: docs/reliability.md.
test('two nodes whose database, Redis and selves are killed in turn lose no record and no job, and admit no more than a limit', async () => {
  const { lost, twice, jobsLost, jobsTwice, mostInWindow, limit, verifies, answers } = await killFleet(
    3,
    () => {},
  )
  expect(answers['200']).toBeGreaterThan(50)
  expect({ lost, twice, jobsLost, jobsTwice, verifies }).toEqual({
    ...{ lost: [], twice: [], jobsLost: [], jobsTwice: [] },
    verifies: true,
  })
  expect(mostInWindow).toBeLessThanOrEqual(limit)
}, 180_000)
