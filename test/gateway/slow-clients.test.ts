import diagnostics from 'node:diagnostics_channel'
import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { openEndingCalls, readToItsEnd } from './ending-calls.ts'
import { type Behaviour, chunk, said, sseHead } from './simulators/hostile.ts'

const clients = 2
/** More than the system's own buffers of a connection take. */
const pieces = 384
const piece = 'x'.repeat(65_536)

type Answer = (sent: () => void) => Behaviour

const streams: Answer =
  (sent) =>
  async ({ write }) => {
    await write(sseHead)
    for (let index = 0; index < pieces; index += 1) {
      await write(chunk(said(piece)))
      sent()
    }
    await write(chunk('data: [DONE]\n\n'))
    await write('0\r\n\r\n')
  }

const answersWhole: Answer =
  (sent) =>
  async ({ write }) => {
    const length = pieces * piece.length
    await write(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`)
    for (let index = 0; index < pieces; index += 1) {
      await write(piece)
      sent()
    }
  }

/** Resolves when the gateway has written nothing more for a while: then all that waits is full. */
async function stalled(written: () => number): Promise<void> {
  const before: number[] = []
  await expect
    .poll(
      () => {
        before.push(written())
        return before.length > 8 && before.at(-9) === before.at(-1)
      },
      { interval: 100, timeout: 60_000 },
    )
    .toBe(true)
}

test.each([
  ['a stream', streams, { stream: true, max_tokens: 1_000 }],
  ['a whole answer that is too large for memory', answersWhole, { max_tokens: 1_000 }],
] as const)(
  'clients that read nothing of %s hold less than 1 MiB each, stop the reading from its upstream, and lose nothing',
  async (_, answer, more) => {
    await using calls = await openEndingCalls({ answerMax: 262_144 })
    const responses: ServerResponse[] = []
    const onRequest = (message: unknown): void =>
      void responses.push((message as { readonly response: ServerResponse }).response)
    diagnostics.subscribe('http.server.request.start', onRequest)
    let sent = 0
    let heldMost = 0
    const look = (): void => {
      sent += 1
      for (const { writableLength } of responses) heldMost = Math.max(heldMost, writableLength)
    }
    try {
      const answers = await Promise.all(Array.from({ length: clients }, () => calls.ask(answer(look), more)))
      await stalled(() => responses.reduce((sum, { socket }) => sum + (socket?.bytesWritten ?? 0), 0))
      expect(responses).toHaveLength(clients)
      expect(sent).toBeLessThan(clients * pieces)
      const read = await Promise.all(answers.map(readToItsEnd))
      for (const { text, isWhole } of read) {
        expect(isWhole).toBe(true)
        expect(text.length).toBeGreaterThanOrEqual(pieces * piece.length)
      }
      expect(heldMost).toBeLessThan(1_048_576)
    } finally {
      diagnostics.unsubscribe('http.server.request.start', onRequest)
    }
    const records = await calls.quiet()
    expect(records.filter(({ event, code }) => event === 'request.finished' && code === null)).toHaveLength(
      clients,
    )
  },
  120_000,
)
