import { expect, test } from 'vitest'
import { scaled } from '../support/scaled.ts'
import { killGatewayJobs } from './kill-gateway-jobs.ts'

// `node test/reliability/kill-gateway-jobs.ts 50` kills fifty times: docs/reliability.md.
const kills = scaled(1)

test(
  'kill -9 while calls become jobs, run and are cancelled: each that was accepted ends once, and is charged once',
  async () => {
    const outcome = await killGatewayJobs(kills, () => {})
    expect(outcome.differences).toEqual([])
    expect(outcome.accepted).toBeGreaterThan(0)
    expect(outcome.succeeded).toBeGreaterThan(0)
  },
  scaled(120_000),
)
