import { expect, test } from 'vitest'
import { scaled } from '../support/scaled.ts'
import { killGateway } from './kill-gateway.ts'

// `node test/reliability/kill-gateway.ts 500` kills five hundred times: docs/reliability.md.
const kills = scaled(1)

test(
  'kill -9 under a hundred streams: no end that a client saw is lost, each call ends once, and its tokens stay counted',
  async () => {
    const outcome = await killGateway(kills, () => {})
    expect(outcome.differences).toEqual([])
    expect(outcome.whole).toBeGreaterThan(0)
    expect(outcome.endedLate).toBeGreaterThan(0)
  },
  scaled(120_000),
)
