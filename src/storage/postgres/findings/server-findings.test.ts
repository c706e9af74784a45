import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { nameTestSchema, openTestSchema, startPostgres } from '../../../../test/support/services.ts'
import { findServer } from './server-findings.ts'

const byCheck = async (url: string): Promise<Record<string, string>> =>
  Object.fromEntries((await findServer(url)).map(({ check, status }) => [check, status]))

describe('the findings of a database', () => {
  test('are in order where all is', async () => {
    const { url, drop } = await openTestSchema()
    onTestFinished(drop)
    expect(await byCheck(url)).toEqual({
      database: 'ok',
      schema: 'ok',
      durability: 'ok',
      standbys: 'ok',
      transactions: 'ok',
    })
  })

  test('name a schema that is not there, and make none', async () => {
    const { url, drop } = await nameTestSchema()
    onTestFinished(drop)
    expect(await byCheck(url)).toMatchObject({ database: 'ok', schema: 'fail' })
    expect(await byCheck(url)).toMatchObject({ schema: 'fail' })
  })

  test('name a wrong password, a wrong database and a server that is not there, and repeat no password', async () => {
    const { url } = await nameTestSchema()
    const changed = (change: (url: URL) => void): string => {
      const other = new URL(url)
      change(other)
      return other.href
    }
    for (const [wrong, says] of [
      [changed((other) => Object.assign(other, { password: 'hush' })), 'the password is wrong'],
      [changed((other) => Object.assign(other, { pathname: '/hush' })), 'the database does not exist'],
      [changed((other) => Object.assign(other, { port: '1' })), 'ECONNREFUSED'],
      [changed((other) => other.searchParams.set('sslmode', 'verify-full')), 'it does not offer TLS'],
    ] as const) {
      const findings = await findServer(wrong)
      expect(findings).toMatchObject([{ check: 'database', status: 'fail' }])
      expect(findings[0]?.message).toContain(says)
      expect(JSON.stringify(findings)).not.toContain(new URL(url).password)
    }
  })

  test('warn of writes that are not waited for, and of a transaction that is left open', async () => {
    await using server = await startPostgres({ fsync: 'off', full_page_writes: 'off' })
    expect(await byCheck(server.url)).toMatchObject({ durability: 'warn', transactions: 'ok' })
    const client = new pg.Client({ connectionString: server.url })
    client.on('error', () => {})
    await client.connect()
    await client.query(`ALTER ROLE modelward SET synchronous_commit = off`)
    const durability = (await findServer(server.url)).find(({ check }) => check === 'durability')
    expect(durability?.message).toBe('off: fsync, full_page_writes, synchronous_commit')
    await client.end()
  })

  test('refuse a database of another encoding, and one that cannot be written to', async () => {
    await using server = await startPostgres()
    const client = new pg.Client({ connectionString: server.url })
    await client.connect()
    await client.query(
      `CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'`,
    )
    await client.query('CREATE DATABASE still')
    await client.query('ALTER DATABASE still SET default_transaction_read_only = on')
    await client.end()
    for (const [database, says] of [
      ['latin', 'LATIN1'],
      ['still', 'read-only'],
    ] as const) {
      const [finding] = await findServer(server.url.replace(/postgres$/, database))
      expect(finding).toMatchObject({ check: 'database', status: 'fail' })
      expect(finding?.message).toContain(says)
    }
  })
})
