import { expect, onTestFinished, test } from 'vitest'
import { nameTestSchema, openTestSchema } from '../../../test/support/services.ts'
import { drawPepper } from '../../secrets/peppers.ts'
import { ownSettings } from '../copy/copied-tables.ts'
import type { StorageFinding } from '../storage.ts'
import { inspectDatabase } from './inspect-database.ts'
import { openPostgres } from './postgres.ts'

const pepper = drawPepper(1)

async function findKeys(url: string, given: string): Promise<StorageFinding | undefined> {
  const findings = await inspectDatabase({ url, signingKeys: undefined }).findings({ pepper: given })
  return findings.find(({ check }) => check === 'keys')
}

test('nodes of a schema without a deployment are no outage: there is none', async () => {
  const { url } = await nameTestSchema()
  await expect(inspectDatabase({ url, signingKeys: undefined }).nodes()).rejects.toMatchObject({
    name: 'SetupError',
    code: 'data_missing',
  })
})

test('keys that cannot be opened: what to do is about the pepper where it is the pepper', async () => {
  const { url, drop } = await openTestSchema()
  onTestFinished(drop)
  expect(await findKeys(url, pepper)).toMatchObject({ status: 'ok' })
  expect(await findKeys(url, drawPepper(1))).toMatchObject({
    status: 'fail',
    todo: expect.stringContaining('pepper'),
  })
  const postgres = await openPostgres({ url, fault: 'store_unavailable' })
  onTestFinished(postgres.close)
  await postgres.query(`INSERT INTO ${postgres.schema}.settings VALUES ($1, '{"source":"a"}')`, [
    ownSettings.target,
  ])
  const found = await findKeys(url, pepper)
  expect(found).toMatchObject({ status: 'fail', message: expect.stringContaining('run modelward copy again') })
  expect(found?.todo).toBeUndefined()
})
