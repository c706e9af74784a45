import { expect, test } from 'vitest'
import { openEndingCalls } from './ending-calls.ts'
import { hostile, whole } from './simulators/hostile.ts'

const large = { padding: 'x'.repeat(400_000) }
const answers = (text: string) => whole(200, text, ['content-type: application/json'])

test.each([
  ['the body that came and the one that is written of it', { n: 1 }, 503],
  ['the body alone, where nothing is written', { n: 1, model: 'gpt' }, 200],
])('a call that waits holds %s', async (_, more, status) => {
  await using calls = await openEndingCalls({
    models: [
      { name: 'm', to: [{ upstream: 'openai', model: 'another' }], limits: [] },
      { name: 'gpt', to: [{ upstream: 'openai', model: 'gpt' }], limits: [] },
    ],
    server: { inFlightMax: 2 * 1_048_576 },
  })
  const leaving = new AbortController()
  const waiting = calls.ask(hostile['says nothing'], { ...large, ...more }, { signal: leaving.signal })
  await calls.upstream.request()
  const next = await calls.read(({ write }) => write(answers('{}')), { ...large, ...more })
  expect(next.status).toBe(status)
  leaving.abort()
  await expect(waiting).rejects.toThrow()
  await calls.quiet()
  expect((await calls.read(({ write }) => write(answers('{}')), { ...large, ...more })).status).toBe(200)
})
