import { expect, test } from 'vitest'
import { fakeUpstream } from '../../../test/support/test-upstream.ts'
import type { AttemptListener, Upstream } from '../upstreams/upstream.ts'
import { findAnswer } from './find-answer.ts'

/** An upstream of a call that the test answers by hand. */
function heldUpstream() {
  const asked: AttemptListener[] = []
  const upstream = fakeUpstream(
    { preset: 'openai', retries: 3 },
    {
      send(_, listener) {
        asked.push(listener)
        return { abort() {}, pause() {}, resume() {} }
      },
    },
  )
  return { upstream, asked }
}

function find(...upstreams: readonly Upstream[]) {
  return findAnswer({
    to: upstreams.map((upstream) => ({ upstream, model: 'm' })),
    requestFor: () => ({ method: 'POST', path: '/', headers: {}, body: undefined }),
    beginSpan: () => undefined,
    takePlace: () => true,
    firstByteBy: 1,
    log() {},
  })
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))
const refused = { failure: 'unreachable', hasBegun: false, isStale: false, message: 'refused' } as const

test('a call that is given up as its attempt fails asks no upstream again', async () => {
  const { upstream, asked } = heldUpstream()
  const finding = find(upstream)
  asked[0]?.onError(refused)
  finding.abort()
  await nextTurn()
  expect(asked).toHaveLength(1)
})

test('a 429 to the last attempt that a call has is the answer, though another upstream is left', async () => {
  const { upstream, asked } = heldUpstream()
  const other = heldUpstream()
  const finding = find(upstream, other.upstream)
  for (let attempt = 0; attempt < 3; attempt += 1) {
    asked[attempt]?.onError(refused)
    await nextTurn()
  }
  asked[3]?.onHead(429, { 'retry-after': '7' })
  asked[3]?.onEnd()
  expect(await finding.answer).toMatchObject({ status: 429, headers: { 'retry-after': '7' } })
  expect([asked.length, other.asked.length]).toEqual([4, 0])
})
