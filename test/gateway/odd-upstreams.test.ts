import { describe, expect, test } from 'vitest'
import { createTestTime } from '../support/test-time.ts'
import { openEndingCalls, readToItsEnd } from './ending-calls.ts'
import { type Behaviour, chunk, done, hostile, said, sseHead, usage, whole } from './simulators/hostile.ts'

const stream = { stream: true, max_tokens: 100 }

test('an upstream whose name is unknown is 503, its name stays here, and the call costs no token', async () => {
  await using calls = await openEndingCalls({
    upstream: { url: 'http://model-server.invalid:8000' },
  })
  const got = await calls.read(() => {}, stream)
  expect([got.status, got.headers.get('retry-after')]).toEqual([503, '1'])
  expect(JSON.parse(got.text)).toMatchObject({
    code: 'upstream_unavailable',
    error: { type: 'server_error' },
  })
  expect(got.text).not.toContain('model-server')
  expect(calls.gateway.lines.join('\n')).toContain('model-server.invalid')
  expect(await calls.quiet()).toMatchObject([
    { event: 'request.admitted', code: 'upstream_unavailable', measures: { requests: 1, tokens: 0 } },
  ])
})

test.each([
  ['a stream', stream],
  ['a whole answer', { max_tokens: 100 }],
])('text/html with 200 in the place of %s passes as what it is, whole, and is estimated', async (_, more) => {
  await using calls = await openEndingCalls()
  const got = await calls.read(hostile['answers text/html'], more)
  expect(got).toMatchObject({ status: 200, isWhole: true, text: '<html>Welcome to nginx</html>' })
  expect(got.headers.get('content-type')).toBe('text/html')
  const [record, ...others] = await calls.quiet()
  expect(others).toEqual([])
  expect(record).toMatchObject({ event: 'request.admitted', status: 200, detail: { usage: 'estimated' } })
  expect(record?.measures['completion_tokens']).toBeGreaterThan(0)
  expect(record?.measures['completion_tokens']).toBeLessThanOrEqual(100)
})

test('JSON in the place of a stream is a whole answer, and a stream in the place of JSON is one, with all its events', async () => {
  await using calls = await openEndingCalls()
  const json = await calls.read(hostile['answers JSON to a stream'], stream)
  expect([json.status, JSON.parse(json.text)]).toMatchObject([200, { usage }])
  const events = await calls.read(hostile['answers a stream to JSON'], { max_tokens: 100 })
  expect(events).toMatchObject({ isWhole: true, text: expect.stringContaining('"choices":[],"usage"') })
  expect(events.text.endsWith(done)).toBe(true)
  expect(await calls.quiet()).toMatchObject([
    { event: 'request.admitted', measures: usageMeasures, detail: { usage: 'upstream' } },
    { event: 'request.started' },
    { event: 'request.finished', measures: usageMeasures, detail: { usage: 'upstream' } },
  ])
})

test('a kept connection that its upstream closes as a call goes out is no failure: it is asked once more', async () => {
  await using calls = await openEndingCalls()
  for (const _ of ['kept', 'closed']) {
    const got = await calls.read(hostile['closes the kept connection as a call goes out'])
    expect(got).toMatchObject({ status: 200, isWhole: true, text: '{}' })
  }
  expect((await calls.quiet()).map(({ detail }) => detail?.['attempts'])).toEqual([1, 2])
  expect(calls.upstream.requests.map(({ number }) => number)).toEqual([1, 2, 1])
})

describe('over the wire', () => {
  test('one event of 2 MiB passes unread, to its terminal event, and is estimated within its bound', async () => {
    await using calls = await openEndingCalls()
    const got = await calls.read(hostile['sends one event of 2 MiB'], stream)
    expect(got.isWhole).toBe(true)
    expect(got.text).toBe(said('x'.repeat(2 * 1_048_576)) + done)
    expect((await calls.quiet())[1]).toMatchObject({
      event: 'request.finished',
      code: null,
      measures: { completion_tokens: 100 },
      detail: { usage: 'estimated' },
    })
  })

  test('events that come a byte at a time are counted and passed as those that come at once', async () => {
    const events = `${said('one')}${said('zwölf 💡', { usage })}${done}`
    const time = createTestTime()
    await using calls = await openEndingCalls({
      time: { monotonic: time.clock, scheduler: time.scheduler },
    })
    const answer = await calls.ask(async ({ write }) => {
      await write(sseHead)
      for (const byte of Buffer.from(events)) {
        await write(chunk(Buffer.of(byte)))
        // A second each: longer than an upstream may be silent, all together.
        await time.pass(1_000)
      }
      await write('0\r\n\r\n')
    }, stream)
    const got = await readToItsEnd(answer)
    expect(got).toMatchObject({ isWhole: true, text: events })
    expect((await calls.quiet())[1]).toMatchObject({
      event: 'request.finished',
      code: null,
      measures: usageMeasures,
      detail: { usage: 'upstream' },
    })
  })

  test('lines that end with CRLF pass as they are, and the usage that was asked for is taken out', async () => {
    await using calls = await openEndingCalls()
    const got = await calls.read(hostile['ends lines with CRLF'], stream)
    expect(got).toMatchObject({
      isWhole: true,
      text: `${said('one')}${done}`.replaceAll('\n', '\r\n'),
    })
    expect((await calls.quiet())[1]).toMatchObject({ measures: usageMeasures, detail: { usage: 'upstream' } })
  })
})

const usageMeasures = { prompt_tokens: 3, completion_tokens: 2, tokens: 5 }

describe('once a byte of an answer has come, no upstream is asked again', () => {
  const resetsBehind =
    (bytes: string): Behaviour =>
    async ({ write, turn, reset }) => {
      await write(sseHead)
      await write(chunk(bytes))
      // A reset takes along what its other end has not read.
      await turn()
      reset()
    }
  const begins: Readonly<Record<string, Behaviour>> = {
    'a stream that is reset between two events': resetsBehind(said('one')),
    'a stream that is reset within its first event': resetsBehind('d'),
    'a stream that is closed': hostile['closes before the terminal event'],
    'a whole answer that is closed': hostile['says a length that is too long'],
  }

  test.each(Object.entries(begins))('%s, on a connection that was kept', async (name, behaviour) => {
    const to = Array.from({ length: 3 }, () => ({ upstream: 'openai', model: 'm' }))
    await using calls = await openEndingCalls({
      upstream: { retries: 3 },
      models: [{ name: 'm', to, limits: [] }],
    })
    await calls.read(({ write }) => write(whole(200, '{}', ['content-type: application/json'])))
    const reading = calls.read(behaviour, stream)
    if (name.includes('reset'))
      await expect.poll(() => calls.gateway.records().map(({ event }) => event)).toContain('request.started')
    calls.upstream.next()
    const got = await reading
    expect(got.status === 502 || !got.isWhole).toBe(true)
    expect((await calls.quiet()).at(-1)).toMatchObject({ code: 'upstream_failed', detail: { attempts: 1 } })
    expect(calls.upstream.requests.map(({ number }) => number)).toEqual([1, 2])
  })
})

describe('behind the terminal event the connection', () => {
  const ends: Readonly<Record<string, readonly [Behaviour, number]>> = {
    'is used again where the answer ended with it': [
      ({ write }) => write(sseHead + chunk(said('one') + done).toString() + '0\r\n\r\n'),
      1,
    ],
    'is closed where the upstream holds it open': [hostile['stays open behind the terminal event'], 0],
    'is closed where the upstream is gone right behind it': [
      async ({ write, end }) => {
        await write(sseHead + chunk(said('one') + done).toString())
        end()
      },
      0,
    ],
    'is closed where the upstream goes on to write': [
      async ({ write }) => {
        await write(sseHead)
        await write(chunk(said('one') + done))
        for (let more = 0; more < 8; more += 1) await write(chunk(said('more')))
      },
      0,
    ],
  }

  test.each(Object.entries(ends))('%s: none is left behind', async (_, [behaviour, most]) => {
    await using calls = await openEndingCalls()
    for (let call = 0; call < 20; call += 1) {
      const got = await calls.read(behaviour, stream)
      expect(got).toMatchObject({ isWhole: true, text: said('one') + done })
      expect(calls.upstream.connections()).toBeLessThanOrEqual(2)
    }
    await expect.poll(calls.upstream.connections).toBeLessThanOrEqual(most)
    const numbers = calls.upstream.requests.map(({ number }) => number)
    if (most === 0) expect(new Set(numbers)).toEqual(new Set([1]))
    expect(calls.gateway.gateway.upstreams()[0]?.calls_open).toBe(0)
  })
})
