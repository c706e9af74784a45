import { expect, test } from 'vitest'
import { fakeUpstream } from '../../../test/support/test-upstream.ts'
import { Fault } from '../../core/fault.ts'
import { readCall } from '../body/read-call.ts'
import { chatCompletions } from '../presets/shared-routes.ts'
import type { Upstream } from '../upstreams/upstream.ts'
import { createPromptCounts, type PromptCount } from './prompt-counts.ts'
import { createUpstreamPlaces } from './upstream-places.ts'

const sent = Buffer.from('{"model":"m","messages":[]}')

/** An upstream that counts 5 tokens, and what is done before each answer. */
function upstreamThat(before: () => void, { connectionsMax = 10, waitMs = 0 } = {}): Upstream {
  return fakeUpstream(
    { preset: 'vllm', connectionsMax },
    {
      waitMs: () => waitMs,
      ask: async () => {
        before()
        return { body: Buffer.from('{"count":5}') }
      },
    },
  )
}

const rules = { route: chatCompletions, closedFields: [], refusesMediaByUrl: true }

function callOf(owner: string, upstream: Upstream): Parameters<typeof counts.count>[0] {
  const body = readCall(sent, rules)
  return { owner, to: { upstream, model: 'm' }, path: chatCompletions.path, body, write: () => sent }
}

let now = 0
const counts = createPromptCounts(createUpstreamPlaces(), () => now)

/** What is said of a prompt: its tokens, or the code of the answer, and when to ask again. */
function saidOf(count: PromptCount): unknown {
  if (!(count instanceof Error)) return count
  const after = count instanceof Fault ? count.retryAfterSeconds : count.headers['retry-after']
  return [count.code, after]
}

test('who has waited ten seconds for the counts before it is not counted, and goes after them', async () => {
  now = 0
  const slow = upstreamThat(() => {
    now += 6_000
  })
  const taken: unknown[] = []
  const take = async (count: PromptCount) => void taken.push(saidOf(count))
  await Promise.all([1, 2, 3, 4].map(() => counts.count(callOf('acme', slow), take)))
  expect(taken).toEqual([5, 5, ['rate_limited', '1'], ['rate_limited', '1']])
})

test('a count that cannot be had just now says when to ask again, and whose doing it is', async () => {
  now = 100_000
  const asked = async (upstream: Upstream) =>
    counts.count(callOf('initech', upstream), async (count) => saidOf(count))
  const left = upstreamThat(() => {}, { waitMs: 4_200 })
  expect(await asked(left)).toEqual(['upstream_unavailable', 5])
  const full = upstreamThat(() => {}, { connectionsMax: 0 })
  expect(await asked(full)).toEqual(['overloaded', undefined])
  const well = upstreamThat(() => {})
  counts.wasInVain('initech')
  now += 2_500
  expect(await asked(well)).toEqual(['rate_limited', '8'])
  now += 7_500
  expect(await asked(well)).toBe(5)
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
