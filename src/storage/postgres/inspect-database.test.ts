import { expect, onTestFinished, test } from 'vitest'
import { idOf, keyOf } from '../../../test/contract/key-fixtures.ts'
import { nameTestSchema, openTestSchema, unhurried } from '../../../test/support/services.ts'
import { drawPepper, parsePeppers } from '../../secrets/peppers.ts'
import { ownSettings } from '../copy/copied-tables.ts'
import type { StorageFinding } from '../storage.ts'
import { inspectDatabase } from './inspect-database.ts'
import { openPostgresKeyStore } from './keys/open-key-store.ts'
import { openPostgres, type Postgres } from './postgres.ts'

const pepper = drawPepper(1)

async function open(): Promise<{ readonly url: string; readonly postgres: Postgres }> {
  const { url, drop } = await openTestSchema()
  onTestFinished(drop)
  const postgres = await openPostgres({ ...unhurried, url, fault: 'store_unavailable' })
  onTestFinished(postgres.close)
  return { url, postgres }
}

async function findKeys(url: string, given: string): Promise<StorageFinding | undefined> {
  const findings = await inspectDatabase({ url, signingKeys: undefined }).findings({ pepper: given })
  return findings.find(({ check }) => check === 'keys')
}

test('to list the nodes of a schema without a deployment is data_missing, and no outage', async () => {
  const { url } = await nameTestSchema()
  await expect(inspectDatabase({ url, signingKeys: undefined }).nodes()).rejects.toMatchObject({
    name: 'SetupError',
    code: 'data_missing',
  })
})

test('who looks writes nothing: another pepper than the deployment’s does not become its own', async () => {
  const { url, postgres } = await open()
  const inspection = inspectDatabase({ url, signingKeys: undefined })
  for (const given of [pepper, drawPepper(1), `${pepper},${drawPepper(2)}`])
    expect(await findKeys(url, given)).toMatchObject({ status: 'ok' })
  const written = ['settings', 'changes'].map((table) =>
    postgres.query(`SELECT * FROM ${postgres.schema}.${table}`),
  )
  expect(await Promise.all(written)).toEqual([[], []])
  const none = await inspection.openKeys({ pepper })
  expect(await none?.findKey(idOf(1))).toBeUndefined()
  await none?.close()
  const peppers = parsePeppers(pepper, 'the test')
  const store = await openPostgresKeyStore({ postgres, url, peppers, clock: Date.now })
  onTestFinished(store.close)
  await store.addKeys([keyOf(idOf(1))], undefined)
  const keys = await inspection.openKeys({ pepper })
  onTestFinished(async () => keys?.close())
  expect(await keys?.findKey(idOf(1))).toEqual(keyOf(idOf(1)))
  expect(await keys?.findKey('\0')).toBeUndefined()
  // A second pepper that no node has yet.
  expect(await findKeys(url, `${pepper},${drawPepper(2)}`)).toMatchObject({ status: 'ok' })
  expect(await store.findSetting('pepper.2')).toBeUndefined()
})

test('keys that cannot be opened: what to do is about the pepper where it is the pepper', async () => {
  const { url, postgres } = await open()
  const peppers = parsePeppers(pepper, 'the test')
  await (await openPostgresKeyStore({ postgres, url, peppers, clock: Date.now })).close()
  expect(await findKeys(url, pepper)).toMatchObject({ status: 'ok' })
  expect(await findKeys(url, drawPepper(1))).toMatchObject({
    status: 'fail',
    todo: expect.stringContaining('pepper'),
  })
  await postgres.query(`INSERT INTO ${postgres.schema}.settings VALUES ($1, '{"source":"a"}')`, [
    ownSettings.target,
  ])
  const found = await findKeys(url, pepper)
  expect(found).toMatchObject({
    status: 'fail',
    message: expect.stringContaining('run modelward copy again'),
  })
  expect(found?.todo).toBeUndefined()
})
