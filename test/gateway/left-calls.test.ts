import { expect, test } from 'vitest'
import { endLeftCalls } from '../../src/gateway/restart/end-left-calls.ts'
import { type LedgerEntry, type LedgerRecord, ledgerEntry } from '../../src/ledger/format/record.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { openSqliteLedger } from '../../src/storage/sqlite/ledger/ledger.ts'
import { createSigningKey } from '../contract/ledger.contract.ts'
import { temporaryFolder } from '../e2e/run-cli.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const signingKey = createSigningKey()

/** A ledger whose processes die: what they opened is closed at the test's end, not before. */
function openDyingProcesses() {
  const folder = temporaryFolder()
  const opened: Ledger[] = []
  let now = Date.UTC(2026, 10, 30)
  return {
    now: () => now,
    pass(ms: number) {
      now += ms
    },
    /** The next process, when the one before has died. */
    async open(): Promise<Ledger> {
      const ledger = await openSqliteLedger({
        file: `${folder.path}/ledger.db`,
        signingKey,
        clock: () => now,
      })
      opened.push(ledger)
      return ledger
    },
    end: (ledger: Pick<Ledger, 'append' | 'query' | 'withLeft'>): Promise<number> =>
      endLeftCalls({ ledger, clock: () => now, totalMs: hourMs }),
    async [Symbol.asyncDispose]() {
      for (const ledger of opened) await ledger.close()
      folder[Symbol.dispose]()
    },
  }
}

const start = (id: string, at: number, more: Partial<LedgerEntry> = {}): LedgerEntry =>
  ledgerEntry({
    at,
    event: 'request.started',
    requestId: id,
    keyId: 'k1',
    owner: 'acme',
    method: 'POST',
    route: '/v1/chat/completions',
    status: 200,
    latencyUs: 900,
    address: '192.0.2.1',
    detail: { model: 'fast', upstream: 'local', reserved: 2_012 },
    ...more,
  })

const finish = (id: string, at: number): LedgerEntry =>
  ledgerEntry({ at, event: 'request.finished', requestId: id, measures: { requests: 1, tokens: 7 } })

async function endsOf(ledger: Ledger): Promise<readonly LedgerRecord[]> {
  const { records } = await ledger.query({ event: 'request.finished', limit: 1_000, order: 'oldest' })
  return records
}

async function appendAll(ledger: Ledger, entries: readonly LedgerEntry[]): Promise<void> {
  await Promise.all(entries.map((entry) => ledger.append(entry)))
}

test('a call that a dead process left is ended once, late, with what it had reserved', async () => {
  await using processes = openDyingProcesses()
  const dead = await processes.open()
  const at = processes.now()
  await appendAll(dead, [start('whole', at), finish('whole', at + 1), start('left', at + 2)])
  processes.pass(5_000)
  const next = await processes.open()
  expect(await processes.end(next)).toBe(1)
  expect(await processes.end(next)).toBe(0)
  const [, end, ...more] = await endsOf(next)
  expect(more).toEqual([])
  expect(end).toMatchObject({
    at: processes.now(),
    requestId: 'left',
    keyId: 'k1',
    owner: 'acme',
    method: 'POST',
    route: '/v1/chat/completions',
    status: 200,
    code: null,
    address: '192.0.2.1',
    measures: { requests: 1, tokens: 2_012 },
    detail: { model: 'fast', upstream: 'local', usage: 'reserved', late: true },
  })
  expect(end?.detail).not.toHaveProperty('reserved')
  const third = await processes.open()
  expect(await processes.end(third)).toBe(0)
})

test('an end that its own process made up for is not written again', async () => {
  await using processes = openDyingProcesses()
  const dead = await processes.open()
  const at = processes.now()
  await appendAll(dead, [
    start('a', at),
    { ...finish('a', at + 9_000), detail: { usage: 'upstream', late: true } },
  ])
  expect(await processes.end(await processes.open())).toBe(0)
})

test('an answer in pieces that is no call of an upstream stays as it is', async () => {
  await using processes = openDyingProcesses()
  const dead = await processes.open()
  await dead.append(start('app', processes.now(), { detail: { model: 'own' } }))
  expect(await processes.end(await processes.open())).toBe(0)
})

test('however long the server was down, what was open when it died is ended', async () => {
  await using processes = openDyingProcesses()
  const dead = await processes.open()
  await dead.append(start('too old', processes.now() - 2 * hourMs))
  await dead.append(start('left', processes.now()))
  processes.pass(30 * dayMs)
  const next = await processes.open()
  expect(await processes.end(next)).toBe(1)
  expect((await endsOf(next)).map(({ requestId }) => requestId)).toEqual(['left'])
})

test('processes killed before they had ended all leave the rest to the next, days later too', async () => {
  await using processes = openDyingProcesses()
  const dead = await processes.open()
  await appendAll(
    dead,
    Array.from({ length: 10 }, (_, index) => start(`left ${index}`, processes.now() + index)),
  )
  processes.pass(dayMs)
  const killed = await processes.open()
  let lives = 4
  const append: Ledger['append'] = async (entry) => {
    if (lives-- === 0) throw new Error('killed')
    await killed.append(entry)
  }
  await expect(processes.end({ ...killed, append })).rejects.toThrow('killed')
  processes.pass(dayMs)
  await processes.open()
  processes.pass(dayMs)
  const next = await processes.open()
  await processes.end(next)
  const ids = (await endsOf(next)).map(({ requestId }) => requestId)
  expect(ids.toSorted()).toEqual(Array.from({ length: 10 }, (_, index) => `left ${index}`))
})

test('a server that ended in order leaves nothing to look for', async () => {
  await using processes = openDyingProcesses()
  const ended = await processes.open()
  await ended.append(start('a', processes.now()))
  await ended.append(finish('a', processes.now()))
  await ended.close()
  const next = await processes.open()
  const asked: string[] = []
  const query: Ledger['query'] = (one) => {
    asked.push(one.order)
    return next.query(one)
  }
  expect(await processes.end({ ...next, query })).toBe(0)
  expect(asked).toEqual([])
})

test('a look goes back no further than a call may have been open, and not beyond a process that had begun calls', async () => {
  await using processes = openDyingProcesses()
  const first = await processes.open()
  await first.append(start('first', processes.now()))
  processes.pass(dayMs)
  const second = await processes.open()
  await processes.end(second)
  await second.append(start('second', processes.now()))
  processes.pass(dayMs)
  const third = await processes.open()
  const sinces: (number | undefined)[] = []
  const query: Ledger['query'] = (one) => {
    sinces.push(one.since)
    return third.query(one)
  }
  expect(await processes.end({ ...third, query })).toBe(1)
  expect(new Set(sinces)).toEqual(new Set([processes.now() - dayMs - hourMs - 60_000]))
  expect((await endsOf(third)).map(({ requestId }) => requestId)).toEqual(['first', 'second'])
})

test('many more than one page holds are ended, each once', async () => {
  await using processes = openDyingProcesses()
  const dead = await processes.open()
  await appendAll(
    dead,
    Array.from({ length: 12_345 }, (_, index) => start(`left ${index}`, processes.now())),
  )
  const next = await processes.open()
  expect(await processes.end(next)).toBe(12_345)
  expect(await processes.end(next)).toBe(0)
})
