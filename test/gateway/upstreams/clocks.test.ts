import { once } from 'node:events'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createManualTime } from '../../../src/ward/test-ward.ts'
import { createTestTime } from '../../support/test-time.ts'
import { chunk, hostile, said, startHostile } from '../simulators/hostile.ts'
import { type OpenedUpstream, openTestUpstream, sendTo } from './test-upstream.ts'

const sseHead = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'

function openInTime(url: string, changed: Parameters<typeof openTestUpstream>[1] = {}) {
  const time = createTestTime()
  const opened: OpenedUpstream = openTestUpstream(url, changed, {
    monotonic: time.clock,
    scheduler: time.scheduler,
  })
  return { time, opened }
}

/** Accepts connections and never says a word of TLS. */
async function startMute(): Promise<{ readonly url: string; readonly connection: Promise<Socket> }> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const connection = once(server, 'connection').then(([socket]) => socket as Socket)
  onTestFinished(async () => {
    void connection.then((socket) => socket.destroy())
    server.close()
  })
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, connection }
}

describe('the clock of', () => {
  test('the connection ends one that never stands, and closes it', async () => {
    const mute = await startMute()
    const { time, opened } = openInTime(mute.url)
    await using _ = opened
    const sent = opened.send()
    const socket = await mute.connection
    const closed = once(socket.resume(), 'close')
    await time.pass(4_999)
    expect(sent.heard.ends).toBe(0)
    await time.pass(1)
    expect(await sent.end).toMatchObject({ failure: 'connect_timeout', hasBegun: false })
    await closed
  })

  test('the first byte is absolute: attempts share it, and a head alone does not stop it', async () => {
    await using server = await startHostile(hostile['says nothing after the head'])
    const { time, opened } = openInTime(server.url)
    await using _ = opened
    const firstByteBy = time.clock() + 10_000
    const first = sendTo(opened.upstream, {}, firstByteBy)
    await first.head
    await time.pass(7_000)
    first.attempt.abort()
    const second = sendTo(opened.upstream, {}, firstByteBy)
    await second.head
    await time.pass(2_999)
    expect(second.heard.ends).toBe(0)
    await time.pass(1)
    expect(await second.end).toMatchObject({ failure: 'first_byte_timeout', hasBegun: false })
    await (await server.request()).closed
  })

  test('the pieces begins again with each, and costs no timer for it', async () => {
    await using server = await startHostile(hostile['sends a byte at a time'])
    const { time, opened } = openInTime(server.url, {
      timeouts: { connectMs: 5_000, firstByteMs: 5_000, idleMs: 1_000, totalMs: 3_600_000 },
    })
    await using _ = opened
    const sent = opened.send()
    for (let piece = 0; piece < 20; piece += 1) {
      server.next()
      await sent.piece()
      await time.pass(900)
    }
    expect(sent.heard.ends).toBe(0)
    const timers = time.started.length
    for (let piece = 0; piece < 20; piece += 1) {
      server.next()
      await sent.piece()
    }
    expect(time.started).toHaveLength(timers)
    await time.pass(1_000)
    expect(await sent.end).toMatchObject({ failure: 'idle_timeout', hasBegun: true })
    await (await server.request()).closed
  })

  test('the pieces runs from the first piece on, however late the first byte might have come', async () => {
    await using server = await startHostile(hostile['sends a byte at a time'])
    const timeouts = { connectMs: 5_000, firstByteMs: 600_000, idleMs: 300_000, totalMs: 3_600_000 }
    const { time, opened } = openInTime(server.url, { timeouts })
    await using _ = opened
    const sent = sendTo(opened.upstream, {}, time.clock() + timeouts.firstByteMs)
    await sent.head
    await time.pass(6_000)
    server.next()
    await sent.piece()
    await time.pass(299_999)
    expect(sent.heard.ends).toBe(0)
    await time.pass(1)
    await time.settle()
    expect(sent.heard.ends).toBe(1)
    expect(await sent.end).toMatchObject({ failure: 'idle_timeout' })
  })

  test.each([['read'], ['not read']])(
    'the whole ends an answer that always goes on, and is %s',
    async (how) => {
      await using server = await startHostile(hostile['sends a byte at a time'])
      const timeouts = { connectMs: 5_000, firstByteMs: 5_000, idleMs: 60_000, totalMs: 100_000 }
      const { time, opened } = openInTime(server.url, { timeouts })
      await using _ = opened
      const sent = opened.send()
      server.next()
      await sent.piece()
      if (how === 'not read') sent.attempt.pause()
      for (let passed = 0; passed < 90_000; passed += 30_000) {
        await time.pass(30_000)
        server.next()
        if (how === 'read') await sent.piece()
      }
      expect(sent.heard.ends).toBe(0)
      await time.pass(10_000)
      expect(await sent.end).toMatchObject({ failure: 'total_timeout', hasBegun: true })
    },
  )

  test('pieces and first byte stand while nothing is read, and go on afterwards', async () => {
    await using server = await startHostile(async ({ number, write, turn }) => {
      await write(number === 1 ? sseHead : '')
      await turn()
      await write(chunk(said('one')))
    })
    const timeouts = { connectMs: 5_000, firstByteMs: 5_000, idleMs: 1_000, totalMs: 3_600_000 }
    const { time, opened } = openInTime(server.url, { timeouts })
    await using _ = opened
    const sent = sendTo(opened.upstream, {}, time.clock() + 5_000)
    await sent.head
    await time.pass(4_000)
    sent.attempt.pause()
    await time.pass(60_000)
    sent.attempt.resume()
    await time.pass(999)
    server.next()
    await sent.piece()
    sent.attempt.pause()
    await time.pass(60_000)
    expect(sent.heard.ends).toBe(0)
    sent.attempt.resume()
    await time.pass(999)
    expect(sent.heard.ends).toBe(0)
    await time.pass(1)
    expect(await sent.end).toMatchObject({ failure: 'idle_timeout' })
  })
})

test('a piece that has come, and that this thread was too busy to read, is not late', async () => {
  await using server = await startHostile(hostile['sends a byte at a time'])
  const { clock, scheduler, advance } = createManualTime(0)
  const timeouts = { connectMs: 5_000, firstByteMs: 5_000, idleMs: 1_000, totalMs: 3_600_000 }
  await using opened = openTestUpstream(server.url, { timeouts }, { monotonic: clock, scheduler })
  const sent = opened.send()
  server.next()
  await sent.piece()
  const request = await server.request()
  await new Promise((resolve) => setImmediate(resolve))
  // It stands in the socket as the timer fires.
  void request.write(chunk('in time'))
  advance(1_000)
  expect((await sent.piece()).toString()).toBe('in time')
  expect(sent.heard.ends).toBe(0)
})

test('a silent upstream is cut off by the clocks that are set here, and by none of undici’s own', async () => {
  // What its own tests let its time pass by.
  const { tick } = createRequire(import.meta.url)('undici/lib/util/timers.js') as {
    readonly tick: (ms: number) => void
  }
  await using server = await startHostile(hostile['sends a byte at a time'])
  await using opened = openTestUpstream(server.url)
  const sent = opened.send()
  await server.request()
  for (const byte of 'da') {
    // What is new begins to count with the first.
    for (const ms of [1_000, 3_600_000]) tick(ms)
    server.next()
    expect(await Promise.race([sent.piece().then(String), sent.end])).toBe(byte)
  }
})

test('a call that is given up while it connects closes the connection', async () => {
  const mute = await startMute()
  const { opened } = openInTime(mute.url)
  await using _ = opened
  const sent = opened.send()
  const socket = await mute.connection
  const closed = once(socket.resume(), 'close')
  sent.attempt.abort()
  await closed
  expect(sent.heard.ends).toBe(0)
})

test('a thousand streams have a thousand timers, however many pieces they bring, and none once they are over', async () => {
  const server = createServer((_, response) => {
    for (let piece = 0; piece < 20; piece += 1) response.write('piece')
    response.end()
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { time, opened } = openInTime(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  await using _ = opened
  const all = Array.from({ length: 1_000 }, () => opened.send())
  expect(time.timers()).toBe(1_000)
  for (const { end } of all) expect(await end).toBeUndefined()
  expect(time.started.length).toBe(1_000)
  expect(time.timers()).toBe(0)
})
