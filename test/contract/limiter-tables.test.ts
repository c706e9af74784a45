import { expect, onTestFinished, test } from 'vitest'
import type { EpochStore } from '../../src/limits/epoch-store.ts'
import type { KeptUsesStore } from '../../src/limits/kept-uses.ts'
import { createEpochTable } from '../../src/storage/postgres/limits/epoch-table.ts'
import { createKeptUsesTable } from '../../src/storage/postgres/limits/kept-uses.ts'
import { openPostgres, type Postgres } from '../../src/storage/postgres/postgres.ts'
import { openTestSchema, unhurried } from '../support/services.ts'

async function openTables(): Promise<{
  readonly epochs: EpochStore
  readonly kept: KeptUsesStore
  readonly postgres: Postgres
}> {
  const { url, drop } = await openTestSchema()
  const postgres = await openPostgres({ ...unhurried, url, fault: 'store_unavailable' })
  onTestFinished(async () => {
    await postgres.close()
    await drop()
  })
  return { epochs: createEpochTable(postgres), kept: createKeptUsesTable(postgres), postgres }
}

const first = { epoch: 'one', runId: 'run', beganAt: 0 }
const row = {
  name: 'key:a /h',
  limit: '100/h',
  cells: Buffer.from([0, 1, 255]),
  spare: 3,
  version: 1,
}

test('of those who begin an epoch at once the first wins, and the others see which', async () => {
  const { epochs } = await openTables()
  expect(await epochs.read()).toBeUndefined()
  const nodes = Array.from({ length: 10 }, (_, index) => ({ ...first, epoch: `${index}` }))
  const won = await Promise.all(nodes.map((next) => epochs.replace(undefined, next)))
  expect(won.filter(Boolean)).toHaveLength(1)
  const winner = nodes[won.indexOf(true)]
  expect(await epochs.read()).toEqual(winner)
  const later = nodes.map(({ epoch }) => ({ epoch: `later ${epoch}`, runId: 'other', beganAt: 1.8e12 }))
  const again = await Promise.all(later.map((next) => epochs.replace(winner?.epoch, next)))
  expect(again.filter(Boolean)).toHaveLength(1)
  expect(await epochs.read()).toEqual(later[again.indexOf(true)])
})

test('what is kept of a limit is replaced only by who has seen it, in the epoch that it is', async () => {
  const { epochs, kept } = await openTables()
  expect(await kept.read(row.name)).toBeUndefined()
  expect(await kept.write(row, 0, 'one')).toBe(false)
  await epochs.replace(undefined, first)
  expect(await kept.write(row, 0, 'one')).toBe(true)
  expect(await kept.write(row, 0, 'one')).toBe(false)
  expect(await kept.read(row.name)).toEqual(row)
  const second = { ...row, limit: '200/h', cells: Buffer.alloc(600, 7), spare: 0, version: 2 }
  expect(await kept.write(second, 1, 'another')).toBe(false)
  expect(await kept.write(second, 1, 'one')).toBe(true)
  expect(await kept.write({ ...second, version: 3 }, 1, 'one')).toBe(false)
  expect(await kept.read(row.name)).toEqual(second)
})

test('rows that nothing counts any more are deleted, and no others', async () => {
  const { epochs, kept, postgres } = await openTables()
  await epochs.replace(undefined, first)
  await kept.write(row, 0, 'one')
  await kept.write({ ...row, name: 'key:b /h' }, 0, 'one')
  await postgres.query(
    `UPDATE ${postgres.schema}.kept_uses SET updated_at = now() - interval '63 days' WHERE name = $1`,
    [row.name],
  )
  expect(await kept.sweep()).toBe(1)
  expect(await kept.sweep()).toBe(0)
  expect(await kept.read(row.name)).toBeUndefined()
  expect(await kept.read('key:b /h')).toBeDefined()
})
