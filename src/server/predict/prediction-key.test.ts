import type { FastifyRequest } from 'fastify'
import { expect, test } from 'vitest'
import { readLargePredictionKey } from './prediction-key.ts'

test.each([undefined, 'https://example.com/hook'])(
  'what is digested of many inputs is the JSON of the request (webhook %s)',
  async (webhook) => {
    const request = { headers: { 'idempotency-key': 'retry-1' }, caller: { owner: 'acme' } }
    const inputs = ['a', 'b"', { c: [1, null] }, 'x'.repeat(300_000)]
    const read = await readLargePredictionKey(request as unknown as FastifyRequest, {
      model: { name: 'sentiment' },
      kind: 'batch',
      inputs,
      webhook,
    })
    expect(read?.requestText).toBe(JSON.stringify(read?.request))
    expect(read).toMatchObject({ owner: 'acme', key: 'retry-1' })
  },
)
