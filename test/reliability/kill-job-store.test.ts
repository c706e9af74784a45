import { expect, test } from 'vitest'
import { killJobStore } from './kill-job-store.ts'

// `node test/reliabilit./kill-job-store.ts 50` plays fifty.
test('kill -9 at any moment, again and again: no acknowledged job is lost, and each acknowledged end stays, once', async () => {
  const outcome = await killJobStore(10, () => {})
  expect(outcome.submitted).toBeGreaterThan(100)
  expect(outcome.settled).toBeGreaterThan(10)
  const { lost, changed, stuck, isCounted } = outcome
  expect({ lost, changed, stuck, isCounted }).toEqual({ lost: [], changed: [], stuck: 0, isCounted: true })
}, 120_000)
