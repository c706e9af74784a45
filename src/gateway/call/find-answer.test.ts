import { expect, test } from 'vitest'
import { testUpstream } from '../../../test/support/test-upstream.ts'
import { presets } from '../presets/presets.ts'
import type { AttemptListener, Upstream } from '../upstreams/upstream.ts'
import { findAnswer } from './find-answer.ts'

test('a call that is given up as its attempt fails asks no upstream again', async () => {
  const asked: AttemptListener[] = []
  const upstream: Upstream = {
    settings: testUpstream({ preset: 'openai', retries: 3 }),
    preset: presets.openai,
    ask: () => Promise.reject(new Error('nothing is asked beside calls')),
    waitMs: () => 0,
    send(_, listener) {
      asked.push(listener)
      return { abort() {}, pause() {}, resume() {} }
    },
    models: async () => undefined,
    redact: (text) => text,
    status: () => ({}) as ReturnType<Upstream['status']>,
    close: async () => {},
  }
  const finding = findAnswer({
    to: [{ upstream, model: 'm' }],
    requestFor: () => ({ method: 'POST', path: '/', headers: {}, body: undefined }),
    beginSpan: () => undefined,
    takePlace: () => true,
    firstByteBy: 1,
    log() {},
  })
  asked[0]?.onError({ failure: 'unreachable', hasBegun: false, isStale: false, message: 'refused' })
  finding.abort()
  await new Promise((resolve) => setImmediate(resolve))
  expect(asked).toHaveLength(1)
})
