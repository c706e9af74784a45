import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createTestTime } from '../support/test-time.ts'
import { type EndingOptions, openLimitedCalls } from './ending-calls.ts'
import { type Behaviour, chunk, hostile, said, sseHead } from './simulators/hostile.ts'

/** Calls of clients that are no more than a socket, with a key that has limits. */
async function open(behaviour: Behaviour, options: EndingOptions = {}) {
  const calls = await openLimitedCalls(options)
  // The behaviour of the user `0`, whom the bodies below name.
  await calls.read(behaviour, {}, { key: 'none' })
  const body = JSON.stringify({
    ...{ model: 'm', user: '0', stream: true, max_tokens: 1_000 },
    messages: [{ role: 'user', content: 'why' }],
  })
  return {
    ...calls,
    body,
    head: `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${calls.key}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`,
    /** A connection that reads nothing until it is told to. */
    async connect(): Promise<Socket> {
      const { port } = new URL(calls.gateway.url)
      const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true })
      socket.on('error', () => {}).pause()
      await once(socket, 'connect')
      return socket
    },
    /** The record of a call's end, once none is open. */
    async ended() {
      const isEnd = (event: string): boolean => event === 'request.admitted' || event === 'request.finished'
      const ends = () => calls.gateway.records().filter(({ event }) => isEnd(event))
      await expect.poll(() => ends().length).toBe(1)
      return (await calls.quiet()).find(({ event }) => isEnd(event))
    },
  }
}

const stalls = hostile['stays open in the middle']

test('a client that leaves while it sends its body: the request counts, no token, and no upstream is asked', async () => {
  await using calls = await open(stalls)
  const socket = await calls.connect()
  const received = once(socket, 'close')
  socket.write(calls.head + calls.body.slice(0, 20))
  // The place is taken with the head: its key was right.
  await expect.poll(async () => (await calls.limits()).concurrent).toBe(1)
  socket.destroy()
  await received
  expect(await calls.ended()).toMatchObject({
    event: 'request.admitted',
    status: null,
    measures: { requests: 1 },
    detail: { aborted: true },
  })
  await expect.poll(calls.limits).toEqual({ tokens: 0, requests: 1, concurrent: 0 })
  expect(calls.upstream.requests).toEqual([])
})

describe('a client that closes its sending side has left', () => {
  test('before the head: the prompt counts, the upstream is let go, and the connection is closed', async () => {
    await using calls = await open(hostile['says nothing'])
    const socket = await calls.connect()
    const closed = once(socket.resume(), 'close')
    socket.write(calls.head + calls.body)
    const request = await calls.upstream.request()
    socket.end()
    await request.closed
    await closed
    const record = await calls.ended()
    expect(record).toMatchObject({
      event: 'request.admitted',
      measures: { requests: 1, completion_tokens: 0 },
      detail: { aborted: true, end: 'client', usage: 'estimated' },
    })
    const tokens = record?.measures['tokens']
    await expect.poll(calls.limits).toEqual({ tokens, requests: 1, concurrent: 0 })
  })

  test('in a stream: what it got counts, the upstream is let go, and no end is sent', async () => {
    await using calls = await open(stalls)
    const socket = await calls.connect()
    const closed = once(socket, 'close')
    let text = ''
    socket.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
    })
    socket.resume().write(calls.head + calls.body)
    await expect.poll(() => text).toContain('"one"')
    socket.end()
    await (await calls.upstream.request()).closed
    await closed
    expect(text).not.toContain('[DONE]')
    expect(text).not.toMatch(/\r\n0\r\n\r\n$/)
    const record = await calls.ended()
    expect(record).toMatchObject({
      event: 'request.finished',
      measures: { requests: 1, completion_tokens: 1 },
      detail: { aborted: true, end: 'client', usage: 'estimated' },
    })
    const tokens = record?.measures['tokens']
    await expect.poll(calls.limits).toEqual({ tokens, requests: 1, concurrent: 0 })
  })
})

describe('a client that does not take a stream is cut off by the server’s own limit, and by no clock of the upstream', () => {
  const event = said('x'.repeat(65_536))
  const events = 400

  const streams: Behaviour = async ({ write }) => {
    await write(sseHead)
    for (let index = 0; index < events; index += 1) await write(chunk(event))
    await write(chunk('data: [DONE]\n\n'))
    await write('0\r\n\r\n')
  }

  /** The answers that the server has begun, oldest first. */
  function watchAnswers(): readonly ServerResponse[] {
    const responses: ServerResponse[] = []
    const onRequest = (message: unknown): void =>
      void responses.push((message as { readonly response: ServerResponse }).response)
    subscribe('http.server.request.start', onRequest)
    onTestFinished(() => void unsubscribe('http.server.request.start', onRequest))
    return responses
  }

  /** Resolves when nothing more is written of an answer: all that waits is full. */
  async function stalled({ socket }: ServerResponse): Promise<void> {
    const before: number[] = []
    const isSame = (): boolean => {
      before.push(socket?.bytesWritten ?? 0)
      return before.length > 8 && before.at(-9) === before.at(-1)
    }
    await expect.poll(isSame, { interval: 20, timeout: 60_000 }).toBe(true)
  }

  test.each([
    ['nothing', () => {}],
    [
      'a byte at a time',
      (socket: Socket) => {
        for (let byte = 0; byte < 60; byte += 1) socket.read(1)
      },
    ],
  ])('who reads %s', async (_, read) => {
    const time = createTestTime()
    await using calls = await open(streams, { time: { monotonic: time.clock, scheduler: time.scheduler } })
    const responses = watchAnswers()
    const socket = await calls.connect()
    socket.write(calls.head + calls.body)
    await expect.poll(() => responses.length).toBe(1)
    const [response] = responses as [ServerResponse]
    await stalled(response)
    read(socket)
    // Longer than an upstream may be silent: it is not the one who is.
    await time.pass(301_000)
    expect(calls.gateway.gateway.callsOpen()).toBe(1)
    expect(calls.gateway.records().at(-1)).toMatchObject({ event: 'request.started' })
    // As if half a minute had passed.
    response.setTimeout(20)
    const record = await calls.ended()
    await (await calls.upstream.request()).closed
    socket.destroy()
    expect(record).toMatchObject({
      event: 'request.finished',
      detail: { aborted: true, end: 'client', usage: 'estimated' },
    })
    const delivered = record?.measures['completion_tokens'] ?? 0
    expect(delivered).toBeGreaterThan(0)
    expect(delivered).toBeLessThanOrEqual(1_000)
    await expect.poll(async () => (await calls.limits()).concurrent).toBe(0)
  })
})
