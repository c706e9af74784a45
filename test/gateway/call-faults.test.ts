import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ServerResponse } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { breakLedger, holdLedger, openEndingCalls, openLimitedCalls } from './ending-calls.ts'
import { hostile } from './simulators/hostile.ts'

const stream = { stream: true, max_tokens: 100 }

/** Breaks a method of the answers of calls: a fault of this process, not of a client. */
function breakAnswers(method: 'writeHead' | 'write' | 'end'): void {
  const onStart = (message: unknown): void => {
    const { request, response } = message as {
      readonly request: { readonly url: string }
      readonly response: ServerResponse
    }
    if (request.url.startsWith('/v1/'))
      Object.assign(response, {
        [method]() {
          throw new TypeError('a fault of ours')
        },
      })
  }
  subscribe('http.server.request.start', onStart)
  broken.push(() => void unsubscribe('http.server.request.start', onStart))
}

const broken: (() => void)[] = []
afterEach(() => {
  for (const mend of broken.splice(0)) mend()
})

describe('a fault of ours as an answer leaves ends its own call, and no process', () => {
  test.each([
    ['a whole answer', 'writeHead', 'answers JSON to a stream', ['request.admitted']],
    ['a refusal', 'writeHead', 'answers 503', ['request.admitted']],
    ['the head of a stream', 'writeHead', 'says usage nowhere', ['request.started', 'request.finished']],
    ['a piece of a stream', 'write', 'says usage nowhere', ['request.started', 'request.finished']],
    ['the end of a stream', 'end', 'says usage nowhere', ['request.started', 'request.finished']],
    ['the event of a broken one', 'write', 'dies after the head', ['request.admitted']],
  ] as const)('%s', async (_, method, behaviour, events) => {
    const unheard: unknown[] = []
    const hear = (thrown: unknown): void => void unheard.push(thrown)
    process.on('unhandledRejection', hear)
    process.on('uncaughtException', hear)
    broken.push(
      () => void process.off('unhandledRejection', hear),
      () => void process.off('uncaughtException', hear),
    )
    await using calls = await openLimitedCalls()
    breakAnswers(method)
    await calls.read(hostile[behaviour], stream, calls).catch(() => {})
    const records = await calls.quiet()
    expect(records.map(({ event }) => event)).toEqual(events)
    expect(unheard).toEqual([])
    await expect.poll(async () => (await calls.limits()).concurrent).toBe(0)
    await expect.poll(() => calls.gateway.gateway.upstreams()[0]?.calls_open).toBe(0)
  })
})

test('an end that could not be recorded is recorded as the server closes', async () => {
  const { state, wrap } = breakLedger('request.finished')
  await using calls = await openEndingCalls({ ledger: wrap })
  const { gateway } = calls
  await calls.read(hostile['says usage nowhere'], stream)
  expect(gateway.records().map(({ event }) => event)).toEqual(['request.started'])
  state.isOut = false
  await gateway.gateway.close()
  expect(gateway.records()[1]).toMatchObject({
    event: 'request.finished',
    detail: { late: true, end: 'ledger' },
  })
})

test('an end that cannot be recorded as the server closes either is told', async () => {
  await using calls = await openEndingCalls({ ledger: breakLedger('request.finished').wrap })
  await calls.read(hostile['says usage nowhere'], stream)
  await calls.gateway.gateway.close()
  expect(calls.gateway.lines.join('\n')).toContain('ledger.record_lost')
})

test('an end that is under way as the server closes is recorded before all is closed', async () => {
  const ledger = holdLedger('request.finished')
  await using calls = await openEndingCalls({ ledger: ledger.wrap })
  const leaving = new AbortController()
  await calls.ask(hostile['stays open in the middle'], stream, { signal: leaving.signal })
  leaving.abort()
  await ledger.begun
  const closing = calls.gateway.gateway.close().then(() => 'closed')
  const waiting = (async () => {
    for (let turns = 0; turns < 100; turns += 1) await turn()
    return 'waiting'
  })()
  expect(await Promise.race([closing, waiting])).toBe('waiting')
  ledger.release()
  await closing
  expect(calls.gateway.records()[1]).toMatchObject({ event: 'request.finished', detail: { end: 'client' } })
})
