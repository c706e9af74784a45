import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { endLeftCalls } from '../../src/gateway/restart/end-left-calls.ts'
import { ledgerEntry } from '../../src/ledger/format/record.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { type LedgerSchema, openLedgerSchema } from './postgres-ledgers.ts'

const calls = 200

/** A node that has been seen so many milliseconds ago. */
async function join({ sql }: LedgerSchema, agoMs: number): Promise<string> {
  const id = randomUUID()
  await sql(
    `INSERT INTO $schema.nodes (id, name, version, schema_known, started_at, seen_at)
      VALUES ($1, 'n', '1', 1, 0, (extract(epoch FROM clock_timestamp()) * 1000)::bigint - $2::bigint)`,
    [id, agoMs],
  )
  return id
}

const end = (ledger: Ledger): Promise<number> => endLeftCalls({ ledger, clock: Date.now, totalMs: 3_600_000 })

async function endsOf(ledger: Ledger): Promise<readonly (string | null)[]> {
  const { records } = await ledger.query({ event: 'request.finished', limit: 1_000, order: 'newest' })
  return records.map(({ requestId }) => requestId)
}

async function beginCalls(ledger: Ledger): Promise<void> {
  const starts = Array.from({ length: calls }, (_, index) =>
    ledgerEntry({
      at: Date.now(),
      event: 'request.started',
      requestId: `call-${index}`,
      detail: { reserved: 9 },
    }),
  )
  await Promise.all(starts.map((start) => ledger.append(start)))
}

test('nodes that look at once end the calls of a node that is gone once, and it is left no more', async () => {
  const schema = await openLedgerSchema()
  await beginCalls(await schema.open({ node: await join(schema, 61_000) }))
  const [one, other] = [
    await schema.open({ node: await join(schema, 0) }),
    await schema.open({ node: await join(schema, 0) }),
  ]
  const counts = await Promise.all([end(one), end(other)])
  expect(counts.toSorted()).toEqual([0, calls])
  const ends = await endsOf(one)
  expect([ends.length, new Set(ends).size]).toEqual([calls, calls])
  const works: object[] = []
  await other.withLeft?.(async (left) => void works.push(left))
  expect(works).toEqual([])
  expect((await schema.inspect.verify({})).firstBroken).toBeUndefined()
})

test('a node that was seen within a minute keeps its calls', async () => {
  const schema = await openLedgerSchema()
  await beginCalls(await schema.open({ node: await join(schema, 11_000) }))
  const other = await schema.open({ node: await join(schema, 0) })
  expect(await end(other)).toBe(0)
  expect(await endsOf(other)).toEqual([])
})

test('what a node that is gone had reserved is freed, and not what one has that is back', async () => {
  const schema = await openLedgerSchema()
  const [gone, back] = [await join(schema, 61_000), await join(schema, 61_000)]
  for (const node of [gone, back]) await schema.open({ node })
  const other = await schema.open({ node: await join(schema, 0) })
  const endAnd = (releaseLeft: (node: string) => Promise<void>) =>
    endLeftCalls({ ledger: other, clock: Date.now, totalMs: 3_600_000, releaseLeft })
  await expect(endAnd(() => Promise.reject(new Error('the jobs are out')))).rejects.toThrow('out')
  await schema.sql('UPDATE $schema.nodes SET seen_at = seen_at + 61000 WHERE id::text = $1', [back])
  const freed: string[] = []
  await endAnd(async (node) => void freed.push(node))
  expect(freed).toEqual([gone])
})

test('a node that dies while it ends the calls of another leaves the rest to the next', async () => {
  const schema = await openLedgerSchema()
  await beginCalls(await schema.open({ node: await join(schema, 61_000) }))
  const killed = await schema.open({ node: await join(schema, 0) })
  let lives = 60
  const append: Ledger['append'] = async (entry) => {
    if (lives-- <= 0) throw new Error('killed')
    await killed.append(entry)
  }
  await expect(end({ ...killed, append })).rejects.toThrow('killed')
  const next = await schema.open({ node: await join(schema, 0) })
  await expect.poll(() => end(next)).toBe(calls - 60)
  const ends = await endsOf(next)
  expect([ends.length, new Set(ends).size]).toEqual([calls, calls])
})

describe('a node that comes back after another has taken it for gone', () => {
  const finish = (id: string): Parameters<Ledger['append']>[0] =>
    ledgerEntry({ at: Date.now(), event: 'request.finished', requestId: id, measures: { tokens: 3 } })

  /** Records it as a gateway does: what is refused is tried again. */
  async function recordLate(ledger: Ledger, id: string): Promise<void> {
    const isTaken = (): Promise<boolean> =>
      ledger.append(finish(id)).then(
        () => true,
        () => false,
      )
    await expect.poll(isTaken).toBe(true)
  }

  async function openCutOff() {
    const schema = await openLedgerSchema()
    const cutOff = await schema.open({ node: await join(schema, 61_000) })
    await beginCalls(cutOff)
    const other = await schema.open({ node: await join(schema, 0) })
    return { schema, cutOff, other }
  }

  test('ends none of its calls a second time, and records all else', async () => {
    const { schema, cutOff, other } = await openCutOff()
    await cutOff.append(ledgerEntry({ at: Date.now(), event: 'request.started', requestId: 'app' }))
    expect(await end(other)).toBe(calls)
    const ids = Array.from({ length: calls }, (_, index) => `call-${index}`)
    await Promise.all([...ids, 'app'].map((id) => recordLate(cutOff, id)))
    await cutOff.append(
      ledgerEntry({
        at: Date.now(),
        event: 'request.started',
        requestId: 'later',
        detail: { reserved: 9 },
      }),
    )
    await recordLate(cutOff, 'later')
    expect((await endsOf(other)).toSorted()).toEqual(['app', ...ids, 'later'].toSorted())
    await cutOff.close()
    expect((await schema.inspect.verify({})).firstBroken).toBeUndefined()
  })

  test('without a call that is open records on, and nothing is refused', async () => {
    const schema = await openLedgerSchema()
    const cutOff = await schema.open({ node: await join(schema, 61_000) })
    const other = await schema.open({ node: await join(schema, 0) })
    expect(await end(other)).toBe(0)
    await Promise.all([cutOff.append(finish('one')), cutOff.append(finish('two'))])
    expect((await endsOf(other)).toSorted()).toEqual(['one', 'two'])
  })

  test('while it ends its calls: each has one end', async () => {
    const { schema, cutOff, other } = await openCutOff()
    const ids = Array.from({ length: calls }, (_, index) => `call-${index}`)
    const read = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    const append: Ledger['append'] = async (entry) => {
      read.resolve()
      await held.promise
      await other.append(entry)
    }
    const ending = end({ ...other, append })
    await read.promise
    await Promise.all(ids.map((id) => recordLate(cutOff, id)))
    held.resolve()
    expect(await ending).toBe(calls)
    expect((await endsOf(other)).toSorted()).toEqual(ids.toSorted())
    expect((await schema.inspect.verify({})).firstBroken).toBeUndefined()
  })

  test('and the other died as it ended its calls: the rest is ended by the next, and none twice', async () => {
    const { schema, cutOff, other } = await openCutOff()
    let lives = 60
    const append: Ledger['append'] = async (entry) => {
      if (lives-- <= 0) throw new Error('killed')
      await other.append(entry)
    }
    await expect(end({ ...other, append })).rejects.toThrow('killed')
    const ids = Array.from({ length: calls }, (_, index) => `call-${index}`)
    await Promise.all(ids.map((id) => recordLate(cutOff, id)))
    const next = await schema.open({ node: await join(schema, 0) })
    await expect.poll(() => end(next)).toBe(calls - 60)
    expect((await endsOf(next)).toSorted()).toEqual(ids.toSorted())
  })
})
