import { expect, test } from 'vitest'
import { killJobs } from './kill-jobs.ts'

// `node test/reliability/kill-jobs.ts 50` plays fifty.
test('kill -9 at any moment, again and again: no acknowledged job is lost, and each acknowledged end stays, once', async () => {
  const outcome = await killJobs(10, () => {})
  expect(outcome.submitted).toBeGreaterThan(100)
  expect(outcome.settled).toBeGreaterThan(10)
  const { lost, changed, stuck } = outcome
  expect({ lost, changed, stuck }).toEqual({ lost: [], changed: [], stuck: 0 })
}, 120_000)
