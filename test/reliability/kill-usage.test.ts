import { expect, test } from 'vitest'
import { differencesOf, killUsage } from './kill-usage.ts'

// `node test/reliability/kill-usage.ts 11 10000` plays ten kills: docs/reliability.md.
test('the ledger, usage and limits have one sum of all kinds of requests, with jobs among them', async () => {
  const outcome = await killUsage(1, 660, () => {})
  expect(Object.keys(outcome.answers)).toEqual(['200', '202', '401', '403', '422', '429'])
  expect(differencesOf(outcome)).toEqual([])
}, 120_000)

test('after kills, the ledger and usage have one sum, and limits have counted no less and little more', async () => {
  const outcome = await killUsage(3, 900, () => {})
  expect(outcome.kills).toBe(2)
  expect(differencesOf(outcome)).toEqual([])
}, 120_000)
