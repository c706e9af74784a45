import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { collectAnswer } from '../../src/gateway/upstreams/ask-upstream.ts'
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

/** Bytes of buffers that are in use. */
function buffersInUse(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().arrayBuffers
}

const answer = JSON.stringify({ choices: [], text: 'x'.repeat(2_000) })
/** A chunk of one byte, in a read of its own: what stands behind its length is passed over. */
const chunkOf = (letter: string) => `1;${'x'.repeat(32_768)}\r\n${letter}\r\n`

test.each([
  ['at once', {}, 200],
  ['as a job', { prefer: 'respond-async' }, 202],
])(
  'an answer %s that comes byte by byte holds its bytes, and not the reads that brought them',
  async (_, headers, status) => {
    await using calls = await openEndingCalls()
    const isAllSent = Promise.withResolvers<void>()
    const end = Promise.withResolvers<void>()
    const before = buffersInUse()
    const read = calls.read(
      async ({ write }) => {
        await write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n')
        for (const letter of answer) await write(chunkOf(letter))
        isAllSent.resolve()
        await end.promise
        await write('0\r\n\r\n')
      },
      { max_tokens: 5 },
      { headers },
    )
    await isAllSent.promise
    // What is still on its way through the system is read already, or a tenth of it all; what is
    // collected is given back a moment later, on a thread of its own.
    await expect.poll(() => buffersInUse() - before).toBeLessThan((answer.length * 32_768) / 4)
    end.resolve()
    const received = await read
    expect(received.status).toBe(status)
    if (status === 200) expect(received.text).toBe(answer)
    else {
      const got = await calls.gateway.post(`${received.headers.get('location')}?wait=30`, undefined, {
        method: 'GET',
      })
      expect(JSON.stringify(((await got.json()) as { result: unknown }).result)).toBe(answer)
    }
  },
)

test('what an upstream is asked beside calls keeps none of the pieces that its answer came in', async () => {
  const piece = Buffer.alloc(1)
  const answered = await collectAnswer(5, ({ onHead, onPiece, onEnd }) => {
    queueMicrotask(() => {
      onHead(200, {})
      for (const letter of 'hello') {
        piece.write(letter)
        onPiece(piece)
      }
      onEnd()
    })
    return { abort() {}, pause() {}, resume() {} }
  })
  expect(answered).toEqual({ body: Buffer.from('hello') })
})
