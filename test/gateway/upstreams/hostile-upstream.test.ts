import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { selfSigned } from '../../support/self-signed.ts'
import {
  chunk,
  type HostileName,
  hostile,
  leakedKey,
  said,
  startHostile,
  whole,
} from '../simulators/hostile.ts'
import { openTestUpstream } from './test-upstream.ts'

function fileWith(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-upstream-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'file'), text)
  return join(folder, 'file')
}

/** What one call hears of an upstream that behaves so, in short. */
async function heardOf(name: HostileName): Promise<readonly unknown[]> {
  await using server = await startHostile(hostile[name])
  await using opened = openTestUpstream(server.url)
  const sent = opened.send()
  const error = await sent.end
  expect(sent.heard.ends).toBe(1)
  expect(opened.upstream.status().callsOpen).toBe(0)
  const status = sent.heard.heads === 1 ? (await sent.head).status : undefined
  return error === undefined ? [status, 'whole'] : [status, error.failure, error.hasBegun]
}

describe('a call to an upstream that', () => {
  test.each<readonly [HostileName, readonly unknown[]]>([
    ['dies before the head', [undefined, 'broken', false]],
    ['closes before the head', [undefined, 'broken', false]],
    ['dies in the head', [undefined, 'broken', false]],
    ['dies after the head', [200, 'broken', false]],
    ['dies in an event', [200, 'broken', true]],
    ['dies in a character', [200, 'broken', true]],
    ['dies before the terminal event', [200, 'broken', true]],
    ['dies behind the terminal event', [200, 'broken', true]],
    ['closes before the terminal event', [200, 'whole']],
    ['sends 103 first', [200, 'whole']],
    ['sends 100 unasked', [undefined, 'broken', false]],
    ['upgrades unasked', [undefined, 'broken', false]],
    ['answers 204', [204, 'whole']],
    ['answers 301', [301, 'whole']],
    ['answers 429', [429, 'whole']],
    ['answers 500 with a trace and a key', [500, 'whole']],
    ['answers text/html', [200, 'whole']],
    ['says a length that is too long', [200, 'broken', true]],
    ['says two lengths', [undefined, 'broken', false]],
    ['is not HTTP', [undefined, 'broken', false]],
    ['has a head of 17 KiB', [undefined, 'broken', false]],
    ['ends lines with CRLF', [200, 'whole']],
  ])('%s hears %j', async (name, expected) => {
    expect(await heardOf(name)).toEqual(expected)
  })

  test('says a length that is too short gets what the length says, and the rest reaches no other call', async () => {
    await using server = await startHostile(hostile['says a length that is too short'])
    await using opened = openTestUpstream(server.url)
    for (let call = 0; call < 3; call += 1) {
      const sent = opened.send()
      expect(await sent.end).toBeUndefined()
      expect(sent.text()).toBe('{"a')
    }
  })

  test('says a key in a fault of its own is heard as it is: what of it goes on is for the call to say', async () => {
    await using server = await startHostile(hostile['answers 500 with a trace and a key'])
    await using opened = openTestUpstream(server.url)
    const sent = opened.send()
    expect(await sent.end).toBeUndefined()
    expect(sent.text()).toContain(leakedKey)
  })

  test('redirects is not followed: its answer is the answer', async () => {
    await using server = await startHostile(hostile['answers 301'])
    await using opened = openTestUpstream(server.url)
    const { headers } = await opened.send().head
    expect(headers['location']).toContain('169.254.169.254')
    expect(server.requests).toHaveLength(1)
  })

  test('has a certificate that has expired, or that is not trusted, is unreachable and does not see the credential', async () => {
    const expired = selfSigned('localhost', '20')
    const trusted = selfSigned('localhost')
    for (const [tls, ca, outcome] of [
      [expired, expired.cert, 'CERT_HAS_EXPIRED'],
      [trusted, undefined, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
      [trusted, trusted.cert, undefined],
    ] as const) {
      await using server = await startHostile(hostile['answers 204'], { tls })
      const changed = { key: { env: 'KEY' }, ...(ca !== undefined && { ca: fileWith(ca) }) }
      await using opened = openTestUpstream(server.url, changed, { env: { KEY: 'sk-of-ours' } })
      const error = await opened.send().end
      expect(error?.message).toEqual(outcome === undefined ? undefined : expect.stringContaining(outcome))
      expect(error?.failure).toBe(outcome === undefined ? undefined : 'unreachable')
      expect(server.requests).toHaveLength(outcome === undefined ? 1 : 0)
    }
  })

  test('sends 48 MB at once gives all of it, byte by byte', async () => {
    await using server = await startHostile(hostile['sends 48 MB at once'])
    await using opened = openTestUpstream(server.url)
    const sent = opened.send()
    expect(await sent.end).toBeUndefined()
    expect(sent.pieces.reduce((sum, { length }) => sum + length, 0)).toBe(48 * 1024 * 1024)
  })
})

test('an answer in chunks of a byte arrives whole, and leaves turns of the event loop to others', async () => {
  const size = 200_000
  await using server = await startHostile(async ({ write }) => {
    await write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
    await write(`${'1\r\nx\r\n'.repeat(size)}0\r\n\r\n`)
  })
  await using opened = openTestUpstream(server.url)
  let turns = 0
  let isOver = false
  const count = (): void => {
    turns += 1
    if (!isOver) setImmediate(count)
  }
  const sent = opened.send()
  await sent.head
  count()
  expect(await sent.end).toBeUndefined()
  isOver = true
  expect(sent.pieces).toHaveLength(size)
  expect(turns).toBeGreaterThan(size / 256 / 2)
})

describe('a kept connection', () => {
  test('that is closed as a call goes out is stale, says nothing against the upstream, and takes the others that wait with it', async () => {
    await using server = await startHostile(hostile['closes the kept connection as a call goes out'])
    await using opened = openTestUpstream(server.url, {
      breaker: { failures: 1, pauseMs: 5_000, pauseMaxMs: 60_000 },
    })
    const first = [opened.send(), opened.send(), opened.send()]
    for (const { end } of first) expect(await end).toBeUndefined()
    expect(server.connections()).toBe(3)
    const stale = opened.send()
    expect(await stale.end).toMatchObject({ failure: 'broken', isStale: true, hasBegun: false })
    expect(opened.upstream.status()).toMatchObject({ state: 'closed', failures: 0 })
    // A connection that was kept too would be closed as this call goes out.
    expect(await opened.send().end).toBeUndefined()
  })

  test('carries the next call', async () => {
    await using server = await startHostile(({ write, number }) => write(whole(200, `{"n":${number}}`)))
    await using opened = openTestUpstream(server.url)
    const texts: string[] = []
    for (let call = 0; call < 3; call += 1) {
      const sent = opened.send()
      await sent.end
      texts.push(sent.text())
    }
    expect(texts).toEqual(['{"n":1}', '{"n":2}', '{"n":3}'])
  })

  test('is not one whose call was given up: its rest is read by nothing', async () => {
    await using server = await startHostile(hostile['says nothing after the head'])
    await using opened = openTestUpstream(server.url)
    const sent = opened.send()
    await sent.head
    sent.attempt.abort()
    const request = await server.request()
    await request.closed
    await opened.send().head
    expect((await server.request()).number).toBe(1)
  })
})

describe('a call that is given up', () => {
  test.each<HostileName>([
    'says nothing',
    'says nothing after the head',
    'stays open behind the terminal event',
  ])('while its upstream %s closes its connection, and hears nothing more', async (name) => {
    await using server = await startHostile(hostile[name])
    await using opened = openTestUpstream(server.url)
    const sent = opened.send()
    const request = await server.request()
    if (name !== 'says nothing') await sent.head
    sent.attempt.abort()
    const heads = sent.heard.heads
    await request.closed
    expect(sent.heard).toEqual({ heads, ends: 0 })
    expect(opened.upstream.status().callsOpen).toBe(0)
  })

  test('in its own piece ends there', async () => {
    await using server = await startHostile(async ({ write }) => {
      await write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
      await write(Buffer.concat([chunk(said('one')), chunk(said('two'))]))
    })
    await using opened = openTestUpstream(server.url)
    const sent = opened.send()
    await sent.piece()
    sent.attempt.abort()
    sent.attempt.abort()
    await (await server.request()).closed
    expect(sent.heard.ends).toBe(0)
  })
})

describe('a call that is paused', () => {
  test('reads no more until it goes on, and loses nothing', async () => {
    await using server = await startHostile(hostile['sends 48 MB at once'])
    await using other = await startHostile(({ write }) => write(whole(200, '{}')))
    await using opened = openTestUpstream(server.url)
    await using beside = openTestUpstream(other.url)
    const sent = opened.send()
    await sent.piece()
    sent.attempt.pause()
    // Time in which all of it would come.
    for (let call = 0; call < 200; call += 1) await beside.send().end
    expect(Buffer.concat(sent.pieces).length).toBeLessThan(1024 * 1024)
    sent.attempt.resume()
    expect(await sent.end).toBeUndefined()
    expect(Buffer.concat(sent.pieces).length).toBe(48 * 1024 * 1024)
  })

  test('before its head came is paused all the same', async () => {
    await using server = await startHostile(hostile['sends 48 MB at once'])
    await using other = await startHostile(({ write }) => write(whole(200, '{}')))
    await using opened = openTestUpstream(server.url)
    await using beside = openTestUpstream(other.url)
    const sent = opened.send()
    sent.attempt.pause()
    await sent.head
    for (let call = 0; call < 50; call += 1) await beside.send().end
    expect(sent.pieces).toEqual([])
    sent.attempt.resume()
    expect(await sent.end).toBeUndefined()
  })

  test('may go on within a piece of another call', async () => {
    await using server = await startHostile(hostile['sends 48 MB at once'])
    await using opened = openTestUpstream(server.url)
    const first = opened.send()
    await first.piece()
    first.attempt.pause()
    const second = opened.send({}, { onPiece: () => first.attempt.resume() })
    expect(await Promise.all([first.end, second.end])).toEqual([undefined, undefined])
  })
})
