import { expect, test } from 'vitest'
import type { CallBody } from '../body/call-body.ts'
import type { Upstream } from '../upstreams/upstream.ts'
import { createPromptCounts } from './prompt-counts.ts'
import { createUpstreamPlaces } from './upstream-places.ts'

const sent = Buffer.from('{"model":"m","messages":[]}')

/**
 * An upstream that counts 5 tokens, and what is done before each answer: no more of one than a
 * count looks at, as of the body below.
 */
function upstreamThat(before: () => void): Upstream {
  return {
    preset: { counter: 'vllm' },
    settings: { connectionsMax: 10 },
    waitMs: () => 0,
    ask: async () => {
      before()
      return { body: Buffer.from('{"count":5}') }
    },
  } as unknown as Upstream
}

function callOf(owner: string, upstream: Upstream): Parameters<typeof counts.count>[0] {
  const body = { hasMedia: false, bytes: sent } as unknown as CallBody
  return { owner, to: { upstream, model: 'm' }, path: '/v1/chat/completions', body, write: () => sent }
}

let now = 0
const counts = createPromptCounts(createUpstreamPlaces(), () => now)

test('who has waited ten seconds for the counts before it is taken uncounted, and goes after them', async () => {
  now = 0
  const slow = upstreamThat(() => {
    now += 6_000
  })
  const taken: (number | undefined)[] = []
  const take = async (tokens: number | undefined) => void taken.push(tokens)
  await Promise.all([1, 2, 3, 4].map(() => counts.count(callOf('acme', slow), take)))
  expect(taken).toEqual([5, 5, undefined, undefined])
})

test('an owner waits for no other, and one whose call fails stands in no one’s way', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const upstream = upstreamThat(() => {})
  const held = counts.count(callOf('acme', upstream), () => promise)
  const next = counts.count(callOf('acme', upstream), async (tokens) => tokens)
  expect(await counts.count(callOf('other', upstream), async (tokens) => tokens)).toBe(5)
  const failing = Promise.reject(new Error('limiter'))
  await expect(counts.count(callOf('other', upstream), () => failing)).rejects.toThrow('limiter')
  expect(await counts.count(callOf('other', upstream), async (tokens) => tokens)).toBe(5)
  resolve()
  await held
  expect(await next).toBe(5)
})
