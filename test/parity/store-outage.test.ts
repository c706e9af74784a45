import { copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { FastifyInstance } from 'fastify'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { apiKeyHeader } from '../../src/guard/scheme.ts'
import { createApp } from '../../src/server/create-app.ts'
import { openWard } from '../../src/ward/open-ward.ts'
import type { Ward } from '../../src/ward/ward.ts'
import { openAppParts } from '../support/app-parts.ts'
import { stillScheduler } from '../support/open-test-ward.ts'
import { expectProblem, get, keyHeader, predict, unknownKey, withOtherSecret } from './ask.ts'
import { exchange, formatRequest, type RawAnswer } from './raw-http.ts'
import { createSpyModel } from './spy-model.ts'
import { serverDefaults } from './start-server-target.ts'

const leaseMs = 5_000
const format = { prefix: 'mw', environment: 'live' } as const

let data: string
let file: string
let ward: Ward
let app: FastifyInstance
let port: number
let monotonic: number
let log: string[]

/**
 * The server's app over SQLite in a real file, asking for changes only when told to, by a clock
 * that the test moves.
 */
beforeEach(async () => {
  data = mkdtempSync(join(tmpdir(), 'modelward-outage-'))
  monotonic = 0
  log = []
  const opened = await openWard({
    data,
    create: true,
    schemes: [apiKeyHeader({ name: 'X-API-Key' })],
    format,
    monotonic: () => monotonic,
    scheduler: stillScheduler,
    leaseMs,
  })
  ward = opened.ward
  file = join(data, 'modelward.db')
  const logStream = { write: (line: string) => log.push(line) }
  app = await createApp(await openAppParts(ward, { models: [createSpyModel().spy] }), {
    ...serverDefaults,
    logStream,
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  port = (app.server.address() as AddressInfo).port
})
afterEach(async () => {
  await app.close()
  await ward.close()
  rmSync(data, { recursive: true, force: true })
})

const ask = (key: string): Promise<RawAnswer> => predict({ port }, { headers: [keyHeader(key)] })

function fromOutside(sql: string): void {
  const other = new DatabaseSync(file)
  other.exec(sql)
  other.close()
}

function expectOutage(answer: RawAnswer): void {
  const { detail } = expectProblem(answer, 503, 'store_unavailable')
  expect(detail).toBe('The key store cannot be reached.')
  expect(answer.headers.get('retry-after')).toEqual(['1'])
  expect(answer.body).not.toMatch(/sqlite|table/i)
}

interface Outage {
  readonly name: string
  readonly begin: () => void
  /** How it is mended, where it can be. */
  readonly end?: () => void
  /**
   * Whether SQLite itself goes on reading, so that it is noticed when the store is next asked for
   * changes, every 200 ms.
   */
  readonly isQuiet?: boolean
}

/** Ways in which a database really fails. */
const outages: readonly Outage[] = [
  {
    name: 'its table is gone',
    begin: () => fromOutside('ALTER TABLE keys RENAME TO keys_elsewhere'),
    end: () => fromOutside('ALTER TABLE keys_elsewhere RENAME TO keys'),
  },
  {
    name: 'its file is moved away',
    begin: () => renameSync(file, `${file}.away`),
    end: () => renameSync(`${file}.away`, file),
    isQuiet: true,
  },
  {
    name: 'another file is in its place, such as a restored backup',
    begin() {
      renameSync(file, `${file}.away`)
      copyFileSync(`${file}.away`, file)
    },
    end: () => renameSync(`${file}.away`, file),
    isQuiet: true,
  },
  {
    name: 'its file is overwritten with something else',
    begin() {
      fromOutside('PRAGMA wal_checkpoint(TRUNCATE)')
      writeFileSync(file, Buffer.alloc(65_536, 'not a database '))
    },
  },
  { name: 'its connection is closed', begin: () => void ward.store.close() },
]

describe.each(outages)('41 key store down: $name', ({ begin: breakStore, end, isQuiet }) => {
  async function begin(): Promise<void> {
    breakStore()
    if (isQuiet === true) await expect(ward.refresh()).rejects.toMatchObject({ code: 'store_unavailable' })
  }

  test('a key that is not in memory, right, wrong or unknown: 503, never 200, 401 or 403', async () => {
    const { text } = await ward.keys.create({ name: 'never used' })
    await begin()
    for (const key of [text, withOtherSecret(text, { format } as never), unknownKey({ format })])
      expectOutage(await ask(key))
    expect(log.join('')).toContain('store_unavailable')
    expect(log.join('')).not.toContain(text.slice(-49))
  })

  test('a key in memory goes on to the end of the lease; then 503, not 200, 401 or 403', async () => {
    const { text } = await ward.keys.create({ name: 'in use' })
    await ward.refresh()
    expect((await ask(text)).status).toBe(200)
    await begin()
    await expect(ward.refresh()).rejects.toMatchObject({ code: 'store_unavailable' })
    monotonic = leaseMs
    expect((await ask(text)).status).toBe(200)
    monotonic = leaseMs + 1
    expectOutage(await ask(text))
  })

  test('who presents no key, or text that no key can be, needs no store: 401 and 403 as ever', async () => {
    await begin()
    expectProblem(await predict({ port }), 401, 'key_missing')
    expectProblem(await ask('not a key of ours'), 403, 'key_invalid')
  })

  test('/health answers, /ready does not', async () => {
    await begin()
    expect((await get({ port }, '/health')).status).toBe(200)
    expectOutage(await get({ port }, '/ready'))
  })

  test('a session and the admin API: 503, never a sign-in form or a refusal', async () => {
    const { text: admin } = await ward.keys.create({ name: 'admin', scopes: ['admin'] })
    const signIn = await exchange(
      port,
      formatRequest({
        path: '/session',
        headers: [['Content-Type', 'application/json']],
        body: JSON.stringify({ key: admin }),
      }),
    )
    const cookie = signIn.headers.get('set-cookie')?.[0]?.split(';')[0] ?? ''
    expect((await get({ port }, '/docs', [['Cookie', cookie]])).status).toBe(200)
    await begin()
    const browser = [
      ['Cookie', cookie],
      ['Accept', 'text/html'],
    ] as const
    expectOutage(await get({ port }, '/docs', browser))
    expectOutage(await get({ port }, '/v1/keys', [keyHeader(admin)]))
  })

  test.runIf(end !== undefined)('it ends by itself when the store is back, with no restart', async () => {
    const { text } = await ward.keys.create({ name: 'back' })
    await begin()
    expectOutage(await ask(text))
    end?.()
    await ward.refresh()
    expect((await ask(text)).status).toBe(200)
    expect((await get({ port }, '/ready')).status).toBe(200)
  })
})
