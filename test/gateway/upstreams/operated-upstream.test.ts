import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createPrometheus } from '../../../src/prometheus/prometheus.ts'
import type { OperationalEvent } from '../../../src/telemetry/telemetry.ts'
import { createTelemetry } from '../../../src/telemetry/telemetry.ts'
import { collectEvents } from '../../support/collect-events.ts'
import { readMetrics } from '../../support/read-metrics.ts'
import { createTestTime, type TestTime } from '../../support/test-time.ts'
import { hostile, startHostile, whole } from '../simulators/hostile.ts'
import { startOllama } from '../simulators/ollama.ts'
import { startOpenai } from '../simulators/openai.ts'
import { openTestUpstream } from './test-upstream.ts'

function inTime(): { readonly time: TestTime; readonly deps: Parameters<typeof openTestUpstream>[2] } {
  const time = createTestTime()
  return { time, deps: { monotonic: time.clock, scheduler: time.scheduler } }
}

function fieldsOf(events: readonly OperationalEvent[]): readonly unknown[] {
  return events.map(({ name, fields }) => [name, fields])
}

describe('an upstream that fails five times in a row', () => {
  test('is left alone, hears one call after five seconds, and is open to all once that is answered', async () => {
    let status = 502
    await using server = await startHostile(({ write }) => write(whole(status, '{}')))
    const { time, deps } = inTime()
    await using opened = openTestUpstream(server.url, {}, deps)
    for (let call = 0; call < 5; call += 1) await opened.send().end
    expect(opened.upstream.status()).toMatchObject({ state: 'open', failures: 5, opensInSeconds: 5 })
    expect(await opened.send().end).toMatchObject({ failure: 'unreachable', hasBegun: false })
    expect(server.requests).toHaveLength(5)
    await time.pass(5_000)
    expect(opened.upstream.waitMs()).toBe(0)
    status = 200
    const [tries, waits] = [opened.send(), opened.send()]
    expect(opened.upstream.status().state).toBe('trying')
    expect(await waits.end).toMatchObject({ failure: 'unreachable' })
    expect(await tries.end).toBeUndefined()
    expect(opened.upstream.waitMs()).toBe(0)
    expect(fieldsOf(opened.events.events)).toEqual([
      ['upstream.opened', { upstream: 'local' }],
      ['upstream.closed', { upstream: 'local' }],
    ])
    expect(opened.events.events[0]?.cause).toBe('it answered with 502')
  })

  test('is open to all from the head of an answer on, however long its first byte takes', async () => {
    let isOut = true
    await using server = await startHostile(({ write }) =>
      isOut ? write(whole(502, '{}')) : hostile['says nothing after the head']({ write } as never),
    )
    const { time, deps } = inTime()
    await using opened = openTestUpstream(server.url, {}, deps)
    for (let call = 0; call < 5; call += 1) await opened.send().end
    await time.pass(5_000)
    isOut = false
    opened.send()
    await expect.poll(() => opened.upstream.status().state).toBe('closed')
    expect(opened.upstream.waitMs()).toBe(0)
  })

  test('lets another call try after each pause, while the one that tries hears nothing', async () => {
    let isOut = true
    await using server = await startHostile(({ write }) => (isOut ? write(whole(502, '{}')) : undefined))
    const { time, deps } = inTime()
    await using opened = openTestUpstream(server.url, {}, deps)
    for (let call = 0; call < 5; call += 1) await opened.send().end
    await time.pass(5_000)
    isOut = false
    opened.send()
    expect(await opened.send().end).toMatchObject({ failure: 'unreachable' })
    await time.pass(5_000)
    expect(opened.upstream.waitMs()).toBe(0)
  })

  test('is one that is out: 500 is what a single call may bring about, 504 is not', async () => {
    let status = 500
    await using server = await startHostile(({ write }) => write(whole(status, '{}')))
    await using opened = openTestUpstream(server.url)
    for (let call = 0; call < 10; call += 1) await opened.send().end
    expect(opened.upstream.status()).toMatchObject({ state: 'closed', failures: 0 })
    status = 504
    for (let call = 0; call < 5; call += 1) await opened.send().end
    expect(opened.upstream.status()).toMatchObject({ state: 'open' })
  })

  test('counts neither what a client gave up nor what it answered to a bad request', async () => {
    await using server = await startHostile(hostile['says nothing'])
    await using opened = openTestUpstream(server.url)
    for (let call = 0; call < 6; call += 1) {
      const sent = opened.send()
      await server.request()
      sent.attempt.abort()
    }
    expect(opened.upstream.status()).toMatchObject({ state: 'closed', failures: 0 })
    await using refusing = await startHostile(hostile['answers 429'])
    await using other = openTestUpstream(refusing.url)
    for (let call = 0; call < 6; call += 1) await other.send().end
    expect(other.upstream.status()).toMatchObject({ state: 'closed', failures: 0 })
  })

  test('tells its operator again once a minute while its tries fail', async () => {
    const { time, deps } = inTime()
    await using opened = openTestUpstream('http://127.0.0.1:1', {}, deps)
    for (let second = 0; second < 130; second += 1) {
      await opened.send().end
      await time.pass(1_000)
    }
    expect(opened.events.names).toEqual(['upstream.opened', 'upstream.opened'])
  })
})

describe('the health of an upstream', () => {
  test('opens it after two checks that failed, and closes it with one that passed', async () => {
    let isWell = false
    await using server = await startHostile(({ text, write }) => {
      expect(text).toMatch(/^GET \/health HTTP/)
      return write(isWell ? whole(200, '') : whole(503, ''))
    })
    const { time, deps } = inTime()
    await using opened = openTestUpstream(server.url, { health: '/health' }, deps)
    await time.pass(9_000)
    expect(opened.upstream.status().state).toBe('closed')
    await time.pass(1_500)
    expect(opened.upstream.status().state).toBe('open')
    isWell = true
    await time.pass(10_000)
    expect(opened.upstream.status().state).toBe('closed')
    expect(opened.events.names).toEqual(['upstream.opened', 'upstream.closed'])
  })

  test('is bad where it says nothing within two seconds; null asks for none, unset for that of its preset', async () => {
    await using server = await startHostile(hostile['says nothing'])
    const { time, deps } = inTime()
    await using silent = openTestUpstream(server.url, { health: undefined }, deps, { health: '/api/version' })
    await using unasked = openTestUpstream(server.url, { health: null }, deps, { health: '/api/version' })
    await time.pass(11_000)
    expect(silent.upstream.status().state).toBe('closed')
    await time.pass(1_000)
    expect([silent.upstream.status().state, unasked.upstream.status().state]).toEqual(['open', 'closed'])
    expect(server.requests.map(({ text }) => text.slice(0, 16))).toEqual([
      'GET /api/version',
      'GET /api/version',
    ])
  })
})

describe('a credential', () => {
  function credentialFile(text: string): {
    readonly path: string
    readonly write: (text: string) => void
    readonly remove: () => void
  } {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-credential-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const path = join(folder, 'key')
    let seconds = 1_767_225_600
    const write = (content: string): void => {
      writeFileSync(path, content)
      seconds += 1
      utimesSync(path, seconds, seconds)
    }
    write(text)
    return { path, write, remove: () => rmSync(path) }
  }

  test('is read again when its file changes, and kept where the file is gone', async () => {
    const seen: (string | undefined)[] = []
    await using server = await startHostile(({ text, write }) => {
      seen.push(/x-api-key: (\S+)/.exec(text)?.[1])
      return write(whole(200, '{}'))
    })
    const file = credentialFile('sk-first\n')
    const { time, deps } = inTime()
    await using opened = openTestUpstream(
      server.url,
      { key: { file: file.path }, keyHeader: 'X-API-Key' },
      deps,
    )
    await opened.send().end
    file.write('sk-second\n')
    await time.pass(1_000)
    const sendAndSee = async (): Promise<string | undefined> => {
      await opened.send().end
      return seen.at(-1)
    }
    await expect.poll(sendAndSee).toBe('sk-second')
    file.remove()
    await time.pass(1_000)
    await opened.events.until('upstream.credential_unread')
    await opened.send().end
    expect(seen[0]).toBe('sk-first')
    expect(seen.at(-1)).toBe('sk-second')
    const { redact } = opened.upstream
    for (const key of ['sk-first', 'sk-second']) expect(redact(`got ${key}`)).toBe('got [redacted]')
    expect(JSON.stringify(opened.events.events)).not.toContain(file.path)
  })

  test('keeps its upstream from opening where it is not there, is empty, or has no place in a head; it is not named', () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-credential-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'two-lines'), 'sk-one\nsk-two')
    for (const [key, env] of [
      [{ env: 'KEY' }, {}],
      [{ env: 'KEY' }, { KEY: ' ' }],
      [{ env: 'KEY' }, { KEY: 'sk-one\r\nx-evil: 1' }],
      [{ file: join(folder, 'not-there') }, {}],
      [{ file: join(folder, 'two-lines') }, {}],
    ] as const) {
      const open = (): unknown => openTestUpstream('http://127.0.0.1:1', { key }, { env })
      expect(open).toThrow(expect.objectContaining({ code: 'config_invalid' }))
      expect(open).toThrow(/^(?!.*(sk-|not-there)).*upstreams\.local\.key/s)
    }
  })

  test('is taken out of texts in every form in which an upstream may repeat it', async () => {
    const secret = 'sk-a"b+c/d?~'
    await using opened = openTestUpstream(
      'http://127.0.0.1:1',
      { key: { env: 'KEY' } },
      { env: { KEY: secret } },
    )
    const forms = [
      secret,
      JSON.stringify({ key: secret }),
      encodeURIComponent(secret),
      Buffer.from(secret).toString('base64'),
      Buffer.from(secret).toString('base64url'),
      Buffer.from(`:${secret}`).toString('base64'),
    ]
    for (const form of forms) {
      const left = opened.upstream.redact(`before ${form} behind`)
      expect(left).toContain('[redacted]')
      expect(left).not.toContain(form)
      expect(left).toMatch(/^before .* behind$/)
    }
  })

  test('that its upstream refuses is told to the operator, once a minute', async () => {
    await using server = await startHostile(hostile['answers 401'])
    await using opened = openTestUpstream(server.url)
    for (let call = 0; call < 20; call += 1) await opened.send().end
    expect(opened.events.names).toEqual(['upstream.refused_credential'])
    expect(opened.upstream.status().state).toBe('closed')
  })
})

describe('the models of an upstream', () => {
  test('are asked for once at a time, and again after half a minute', async () => {
    await using ollama = await startOllama()
    const { time, deps } = inTime()
    await using opened = openTestUpstream(ollama.url, {}, deps, {
      lists: { path: '/api/tags', form: 'ollama' },
    })
    const { upstream } = opened
    expect(upstream.status().models).toBeUndefined()
    const names = ['llama3.2:3b', 'all-minilm:latest']
    expect(await Promise.all([upstream.models(), upstream.models()])).toEqual([names, names])
    await time.pass(29_999)
    await upstream.models()
    expect(ollama.seen).toHaveLength(1)
    await time.pass(1)
    await upstream.models()
    expect(ollama.seen.map(({ path }) => path)).toEqual(['/api/tags', '/api/tags'])
    expect(upstream.status().models).toEqual(names)
  })

  test('stay as they were while it is away, and are not known before it ever answered', async () => {
    const { time, deps } = inTime()
    const openai = await startOpenai()
    await using opened = openTestUpstream(openai.url, {}, deps, {
      lists: { path: '/v1/models', form: 'openai' },
    })
    expect(await opened.upstream.models()).toEqual(['gpt-5-mini'])
    await openai.close()
    await time.pass(30_000)
    expect(await opened.upstream.models()).toEqual(['gpt-5-mini'])
    expect(opened.events.names).toEqual(['upstream.list_failed'])
    await using never = openTestUpstream(
      'http://127.0.0.1:1',
      {},
      {},
      { lists: { path: '/v1/models', form: 'openai' } },
    )
    expect(await never.upstream.models()).toBeUndefined()
  })

  test.each([
    ['of more than a mebibyte', JSON.stringify({ data: [{ id: 'x'.repeat(1024 * 1024) }] }), undefined],
    ['that is no JSON', '<html>', undefined],
    ['of another form', '{"data":{"id":"m"}}', undefined],
    ['with names that are none', '{"data":[{"id":"m"},{"id":7},null,{"id":""},{"id":"m"}]}', ['m']],
    [
      'of 10,001 names',
      JSON.stringify({ data: Array.from({ length: 10_001 }, (_, at) => ({ id: `m${at}` })) }),
      10_000,
    ],
  ] as const)('in a list %s do no harm', async (_, body, expected) => {
    await using server = await startHostile(({ write }) => write(whole(200, body)))
    await using opened = openTestUpstream(
      server.url,
      {},
      {},
      { lists: { path: '/v1/models', form: 'openai' } },
    )
    const names = await opened.upstream.models()
    expect(typeof expected === 'number' ? names?.length : names).toEqual(expected)
  })
})

test('more calls at once than may be are overloaded, say nothing against the upstream, and leave room when they end', async () => {
  await using server = await startHostile(hostile['says nothing'])
  await using opened = openTestUpstream(server.url, { connectionsMax: 2 })
  const [first] = [opened.send(), opened.send()]
  const third = opened.send()
  expect(third.heard.ends).toBe(0)
  expect(await third.end).toMatchObject({ failure: 'overloaded', hasBegun: false })
  expect(opened.upstream.status()).toMatchObject({ callsOpen: 2, failures: 0 })
  first?.attempt.abort()
  const fourth = opened.send()
  expect(opened.upstream.status().callsOpen).toBe(2)
  fourth.attempt.abort()
})

test('an upstream that is closed ends what was under way, leaves no socket open, and takes no further call', async () => {
  await using server = await startHostile(hostile['says nothing after the head'])
  const opened = openTestUpstream(server.url)
  const sent = opened.send()
  await sent.head
  await opened.upstream.close()
  expect(await sent.end).toMatchObject({ failure: 'broken' })
  await (await server.request()).closed
  expect(server.connections()).toBe(0)
  expect(await opened.send().end).toMatchObject({ failure: 'unreachable' })
})

test('metrics say how its requests ended, how long their first bytes took, and whether it is left alone', async () => {
  const prometheus = createPrometheus({}, () => 0)
  const { telemetry } = collectEvents()
  const measured = { ...telemetry, measures: createTelemetry([], prometheus).measures }
  await using server = await startHostile(({ write }) => write(whole(200, '{}')))
  await using opened = openTestUpstream(
    server.url,
    { breaker: { failures: 1, pauseMs: 5_000, pauseMaxMs: 60_000 } },
    { telemetry: measured },
  )
  await opened.send().end
  await using gone = openTestUpstream(
    'http://127.0.0.1:1',
    { name: 'gone', breaker: { failures: 1, pauseMs: 5_000, pauseMaxMs: 60_000 } },
    { telemetry: measured },
  )
  await gone.send().end
  const metrics = readMetrics((await prometheus.page()).text).filter(({ name }) =>
    name.startsWith('modelward_upstream_'),
  )
  const numberOf = (name: string, labels: Record<string, string>): number | undefined =>
    metrics.find(
      (one) =>
        one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value),
    )?.value
  expect(numberOf('modelward_upstream_requests_total', { upstream: 'local', outcome: '2xx' })).toBe(1)
  expect(numberOf('modelward_upstream_requests_total', { upstream: 'gone', outcome: 'unreachable' })).toBe(1)
  expect(numberOf('modelward_upstream_first_byte_seconds_count', { upstream: 'local' })).toBe(1)
  expect(numberOf('modelward_upstream_open', { upstream: 'local' })).toBe(0)
  expect(numberOf('modelward_upstream_open', { upstream: 'gone' })).toBe(1)
})
