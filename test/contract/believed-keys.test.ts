import { cpSync, existsSync, readFileSync, rmSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { KeyRecord } from '../../src/keys/record/key-record.ts'
import { parsePeppers } from '../../src/secrets/peppers.ts'
import { openDatabase } from '../../src/storage/sqlite/driver.ts'
import { inspectFolder } from '../../src/storage/sqlite/inspect-folder.ts'
import { openSqliteUsageStore } from '../../src/storage/sqlite/limits/usage-store.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { type OpenWard, openWard } from '../../src/ward/open-ward.ts'
import { runCli, runJson } from '../e2e/run-cli.ts'
import { collectEvents } from '../support/collect-events.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

const fault = { name: 'Fault', code: 'store_unavailable' }

function open(data: string, options: Partial<Parameters<typeof openWard>[0]> = {}): Promise<OpenWard> {
  return openWard({
    data,
    create: true,
    schemes: [],
    format: { prefix: 'mw', environment: 'live' },
    ledger: { isLazy: true },
    ...options,
  })
}

/** A new folder, with what is done to it while it is open. */
async function folderWith(
  work: (opened: OpenWard) => Promise<void>,
  options: Parameters<typeof open>[1] = {},
): Promise<string> {
  const data = join(createTemporaryFolder(), 'data')
  const opened = await open(data, options)
  await work(opened)
  await opened.ward.close()
  return data
}

/** Changes the file as another program would. */
function change(data: string, sql: string): void {
  const database = openDatabase({ file: join(data, 'modelward.db'), busyTimeoutMs: 1_000, cacheKiB: 64 })
  database.exec(sql)
  database.close()
}

/** Makes a file of the last version without MACs of one that has them. */
const withoutMacs = `DROP INDEX owners_again; DROP INDEX imported_digests_again; DROP TABLE changes;
  ALTER TABLE keys DROP COLUMN disabled_by; ALTER TABLE keys DROP COLUMN mac; ALTER TABLE owners DROP COLUMN mac; ALTER TABLE answers DROP COLUMN mac;
  PRAGMA user_version = 3;`

/** As `modelward.db` kept the check value of a folder's pepper while its rows had no MACs. */
function withOldCheck(data: string): string {
  const peppers = parsePeppers(readFileSync(join(data, 'pepper'), 'utf8'), 'the test')
  return `UPDATE settings SET value = '${peppers.checkValueWithoutMacs(1)}' WHERE name = 'pepper.1';`
}

async function databaseFinding(data: string) {
  const findings = await inspectFolder(data).findings({ pepper: undefined })
  return findings.find(({ check }) => check === 'database')
}

describe('a row that another program or the disk changed', () => {
  test('is believed in nothing: an outage, one event, and a finding of doctor', async () => {
    const changes = [
      `scopes = '["admin"]'`,
      "owner = 'other'",
      'expires_at = NULL',
      'revoked_at = NULL, revoked_reason = NULL',
      "limits = '[]'",
      "addresses = '[]'",
      'secrets = zeroblob(length(secrets))',
      'version = version + 1',
      'mac = NULL',
      "disabled_by = 'owner'",
    ]
    const ids: string[] = []
    const data = await folderWith(async ({ ward }) => {
      const fields = { owner: 'acme', expiresAt: Date.now() + 1e9, limits: ['1/min'], addresses: ['::1/128'] }
      for (const name of changes) {
        const { record } = await ward.keys.create({ name, ...fields })
        await ward.keys.revoke(record.id, 'leaked')
        ids.push(record.id)
      }
    })
    change(data, changes.map((cells, at) => `UPDATE keys SET ${cells} WHERE id = '${ids[at]}'`).join(';'))
    const { telemetry, names } = collectEvents()
    const { ward, storage } = await open(data, { telemetry })
    expect(storage.degraded()).toEqual([])
    for (const id of [...ids, ...ids]) await expect(ward.store.findKey(id)).rejects.toMatchObject(fault)
    const { keys, damaged = [] } = await ward.keys.list()
    expect([keys, [...damaged].sort()]).toEqual([[], [...ids].sort()])
    await expect(ward.keys.update(ids[0] ?? '', { name: 'b' })).rejects.toMatchObject(fault)
    expect(names).toEqual(ids.map(() => 'keys.row_damaged'))
    expect(storage.degraded()).toEqual(['keys'])
    await ward.close()
    const finding = await databaseFinding(data)
    expect(finding?.status).toBe('fail')
    for (const id of ids) expect(finding?.message).toContain(`key ${id}`)
  })

  test('hides no other: lists have the good rows and name the damaged, and an owner’s good keys are revoked', async () => {
    const ids: string[] = []
    const data = await folderWith(async ({ ward }) => {
      const made = await ward.keys.createAll(
        Array.from({ length: 6 }, (_, at) => ({ name: `n${at}`, owner: 'acme' })),
      )
      for (const { record } of made) ids.push(record.id)
      for (const owner of ['a', 'b', 'c']) await ward.owners.set(owner, ['1/day'])
    })
    const [bad = '', ...good] = ids
    change(
      data,
      `UPDATE keys SET scopes = '["admin"]' WHERE id = '${bad}'; UPDATE owners SET limits = '[]' WHERE owner = 'b'`,
    )
    const { ward } = await open(data)
    for (const sort of ['id', 'name', 'created_at', 'expires_at'] as const) {
      const { keys, damaged } = await ward.keys.list({ sort })
      expect([keys.map(({ id }) => id).sort(), damaged]).toEqual([[...good].sort(), [bad]])
    }
    const seen: string[] = []
    for (let after: { value: string; id: string } | undefined; ; ) {
      const page = await ward.keys.list({ sort: 'id', descending: false, limit: 2, after })
      seen.push(...page.keys.map(({ id }) => id))
      const last = page.keys.at(-1)
      if (!page.hasMore || last === undefined) break
      after = { value: last.id, id: last.id }
    }
    expect(seen).toEqual([...good].sort())
    expect(await ward.owners.list({ limit: 2 })).toMatchObject({
      owners: [{ owner: 'a' }, { owner: 'c' }],
      damaged: ['b'],
      hasMore: false,
    })
    await ward.close()
    const listed = await runCli(['keys', 'list', '--json', '--data', data])
    expect([listed.code, JSON.parse(listed.stdout).keys.length]).toEqual([3, 5])
    expect(listed.stderr).toContain(`key ${bad}`)
    const revoked = await runCli(['keys', 'revoke', '--owner', 'acme', '--json', '--data', data])
    expect([revoked.code, JSON.parse(revoked.stdout).revoked]).toEqual([3, 5])
    expect(revoked.stderr).toContain(`key ${bad}`)
  })

  test('an answer stored for a retry that looks expired is no second key', async () => {
    const idempotency = { owner: 'acme', key: 'retry', request: { name: 'a' } }
    const data = await folderWith(async ({ ward }) => {
      await ward.keys.create({ name: 'a' }, { idempotency })
    })
    change(data, 'UPDATE answers SET expires_at = 1')
    const { ward } = await open(data)
    await ward.keys.create({ name: 'other' })
    for (let tries = 0; tries < 2; tries += 1)
      await expect(ward.keys.create({ name: 'a' }, { idempotency })).rejects.toMatchObject(fault)
    expect((await ward.keys.list()).keys).toHaveLength(2)
    await ward.close()
    expect(await databaseFinding(data)).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('answer'),
    })
  })

  test('limits of an owner are never loosened, and its keys are no keys of an owner without limits', async () => {
    const data = await folderWith(async ({ ward }) => {
      await ward.owners.set('acme', ['1/day'])
    })
    change(data, "UPDATE owners SET limits = '[]'")
    const { ward } = await open(data)
    await expect(ward.store.findOwner('acme')).rejects.toMatchObject(fault)
    await expect(ward.owners.set('acme', ['2/day'])).rejects.toMatchObject(fault)
    await ward.close()
    expect(await databaseFinding(data)).toMatchObject({ status: 'fail' })
  })

  test('a row that only one of its two trees has is an outage, and no unknown key', async () => {
    let id = ''
    const data = await folderWith(async ({ ward }) => {
      id = (await ward.keys.create({ name: 'a', owner: 'acme' })).record.id
      await ward.owners.set('acme', ['1/day'])
    })
    change(data, 'UPDATE keys SET place = place + 100')
    const { ward } = await open(data)
    await expect(ward.store.findKey(id)).rejects.toMatchObject(fault)
    await ward.close()
  })

  test.each([
    ['a row that is missing', () => 'DELETE FROM keys', 'rows are missing'],
    ['a counter of changes that was set back', () => 'UPDATE changes SET latest = 1', 'not as they were'],
  ])('%s keeps the folder from opening, and doctor says so', async (_what, sql, says) => {
    const data = await folderWith(async ({ ward }) => {
      for (const name of ['a', 'b']) await ward.keys.create({ name })
    })
    change(data, sql())
    await expect(open(data)).rejects.toThrow()
    expect(await databaseFinding(data)).toMatchObject({
      status: 'fail',
      message: expect.stringContaining(says),
    })
  })

  test('a revoked key whose row is put back as it was keeps the folder from opening', async () => {
    const data = join(createTemporaryFolder(), 'data')
    let { ward } = await open(data)
    const { record } = await ward.keys.create({ name: 'a' })
    await ward.close()
    change(data, 'CREATE TABLE before AS SELECT * FROM keys')
    ;({ ward } = await open(data))
    await ward.keys.revoke(record.id)
    await ward.keys.create({ name: 'b' })
    await ward.close()
    change(
      data,
      `DELETE FROM keys WHERE id = '${record.id}'; INSERT INTO keys SELECT * FROM before; DROP TABLE before`,
    )
    await expect(open(data)).rejects.toMatchObject({ code: 'data_corrupt' })
    expect(await databaseFinding(data)).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('stand as they were before a later change'),
    })
  })

  test('rows stay readable over a rotation of the pepper, for processes that know the old one alone too', async () => {
    let id = ''
    const data = await folderWith(async ({ ward }) => {
      id = (await ward.keys.create({ name: 'a' })).record.id
    })
    const pepper = join(data, 'pepper')
    const old = readFileSync(pepper, 'utf8')
    const before = await open(data)
    writeFileSync(pepper, `${old}2:${Buffer.alloc(32, 9).toString('base64url')}\n`)
    const { ward } = await open(data)
    expect((await ward.keys.get(id)).name).toBe('a')
    expect((await ward.keys.update(id, { name: 'b' })).name).toBe('b')
    expect((await ward.keys.get(id)).name).toBe('b')
    expect((await before.ward.keys.get(id)).name).toBe('b')
    await before.ward.refresh()
    await before.ward.close()
    await ward.close()
    expect(await databaseFinding(data)).toMatchObject({ status: 'ok' })
  })
})

describe('rows without MACs', () => {
  const oneKey = async ({ ward }: OpenWard): Promise<void> => {
    await ward.keys.create({ name: 'a' })
    await ward.owners.set('acme', ['1/day'])
  }
  const unrecorded = { ledger: 'none' } as const

  test.each([
    ['as they are', ''],
    ['without the check value of the pepper', 'DELETE FROM settings'],
    ['with owners alone', 'DELETE FROM keys'],
  ])('are refused where they had them, %s, with no ledger to say so', async (_how, sql) => {
    const data = await folderWith(oneKey, unrecorded)
    change(data, `${withoutMacs} UPDATE keys SET scopes = '["admin"]'; ${sql}`)
    for (let tries = 0; tries < 2; tries += 1)
      await expect(open(data, unrecorded)).rejects.toMatchObject({ code: 'data_corrupt' })
    await expect(open(data, { ...unrecorded, isRestored: true })).rejects.toMatchObject({
      code: 'data_corrupt',
    })
    expect(await databaseFinding(data)).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('no MACs'),
    })
  })

  test.each([3, 4, 5])(
    'a folder of version %i is brought up by one start, and refused afterwards',
    async (from) => {
      const data = await folderWith(oneKey, unrecorded)
      const withMacs = `ALTER TABLE keys DROP COLUMN disabled_by; PRAGMA user_version = ${from};`
      const check = from === 5 ? '' : withOldCheck(data)
      change(data, `${from === 3 ? withoutMacs : withMacs} ${check}`)
      expect(await databaseFinding(data)).toMatchObject({ status: 'warn' })
      const { ward } = await open(data, unrecorded)
      expect((await ward.keys.list()).keys).toMatchObject([{ name: 'a' }])
      expect((await ward.owners.get('acme')).limits).toEqual(['1/day'])
      await ward.close()
      expect(await databaseFinding(data)).toMatchObject({ status: 'ok' })
      change(data, withoutMacs)
      await expect(open(data, unrecorded)).rejects.toMatchObject({ code: 'data_corrupt' })
    },
  )

  test('another pepper is refused as another pepper, not as damage', async () => {
    const data = await folderWith(oneKey, unrecorded)
    change(data, `${withoutMacs} ${withOldCheck(data)}`)
    writeFileSync(join(data, 'pepper'), `1:${Buffer.alloc(32, 9).toString('base64url')}\n`)
    await expect(open(data, unrecorded)).rejects.toMatchObject({ code: 'pepper_mismatch' })
    writeFileSync(join(data, 'pepper'), `2:${Buffer.alloc(32, 9).toString('base64url')}\n`)
    await expect(open(data, unrecorded)).rejects.toMatchObject({ code: 'pepper_missing' })
  })
})

describe('keys that are older than the ledger', () => {
  /** A folder whose keys are those of before their revocation, beside the ledger of after it. */
  async function setBack(): Promise<{ readonly data: string; readonly keys: readonly KeyRecord[] }> {
    const data = join(createTemporaryFolder(), 'data')
    const backup = join(createTemporaryFolder(), 'modelward.db')
    const first = await open(data)
    const keys: KeyRecord[] = []
    for (const name of ['a', 'b', 'c']) keys.push((await first.ward.keys.create({ name })).record)
    await first.ward.close()
    cpSync(join(data, 'modelward.db'), backup)
    const { ward } = await open(data)
    await ward.keys.revoke(keys[0]?.id ?? '', 'leaked')
    await ward.keys.disable(keys[1]?.id ?? '')
    await ward.keys.update(keys[2]?.id ?? '', { scopes: ['other'] })
    await ward.keys.create({ name: 'd' })
    await ward.close()
    cpSync(backup, join(data, 'modelward.db'))
    return { data, keys }
  }

  test('are refused at every start, and found by doctor and by ledger verify', async () => {
    const { data } = await setBack()
    const refusal = { code: 'data_older', message: expect.stringContaining('modelward keys restored --data') }
    for (let tries = 0; tries < 2; tries += 1) await expect(open(data)).rejects.toMatchObject(refusal)
    expect(await databaseFinding(data)).toMatchObject({
      status: 'fail',
      message:
        'older than the ledger: its last change is number 3, and the ledger has records up to number 7',
    })
    const { firstBroken } = await inspectFolder(data).ledger.verify({})
    expect(firstBroken).toMatchObject({ kind: 'keys_older' })
  })

  test('are taken by `keys restored`, which ends again what was ended, and says what is missing', async () => {
    const { data, keys } = await setBack()
    const [a = '', b = '', c = ''] = keys.map(({ id }) => id)
    const restored = await runJson<Record<string, unknown>>(['keys', 'restored', '--data', data])
    expect(restored).toMatchObject({
      older: true,
      revoked: [a],
      disabled: [b],
      undone: [`key ${c}`],
      not_known: null,
    })
    expect(restored['created']).toHaveLength(1)
    const { ward, storage } = await open(data)
    expect(await ward.keys.get(a)).toMatchObject({ revokedReason: 'revoked before the keys were restored' })
    expect((await ward.keys.get(b)).disabledAt).not.toBeNull()
    const { records = [] } =
      (await storage.ledger?.query({ limit: 1, order: 'newest', event: 'keys.restored' })) ?? {}
    expect(records).toMatchObject([{ detail: { by: 'cli', before: 3 } }])
    await ward.close()
    expect(await databaseFinding(data)).toMatchObject({ status: 'ok' })
    expect((await inspectFolder(data).ledger.verify({})).firstBroken).toBeUndefined()
    expect(await runJson(['keys', 'restored', '--data', data])).toMatchObject({ older: false, revoked: [] })
  })

  test('are refused too where the number that the ledger keeps is damaged, and each check says so', async () => {
    const { data } = await setBack()
    const ledger = openDatabase({ file: join(data, 'ledger.db'), busyTimeoutMs: 1_000, cacheKiB: 64 })
    ledger.exec('UPDATE latest_change SET change = 3')
    ledger.close()
    await expect(open(data)).rejects.toMatchObject({
      code: 'data_corrupt',
      message: expect.stringContaining('ledger.db'),
    })
    const findings = await inspectFolder(data).findings({ pepper: undefined })
    expect(findings.find(({ check }) => check === 'ledger')).toMatchObject({ status: 'fail' })
    expect((await inspectFolder(data).ledger.verify({})).firstBroken).toMatchObject({ kind: 'index_changed' })
  })

  test('an older version of the file, whose rows have no MACs, is refused where they had them', async () => {
    const data = await folderWith(async ({ ward }) => {
      await ward.keys.create({ name: 'a' })
    })
    change(data, `${withoutMacs} UPDATE keys SET scopes = '["admin"]'; ${withOldCheck(data)}`)
    await expect(open(data)).rejects.toMatchObject({ code: 'data_corrupt' })
    // A backup of before the upgrade, which an operator restored on purpose.
    expect(await runJson(['keys', 'restored', '--data', data])).toMatchObject({ older: false })
    await (await open(data)).ward.close()
  })

  test('no keys are made where a pepper or a ledger says that there were some', async () => {
    for (const left of ['pepper', 'ledger.db']) {
      const data = await folderWith(async ({ ward }) => {
        await ward.keys.create({ name: 'a' })
      })
      unlinkSync(join(data, 'modelward.db'))
      rmSync(join(data, left === 'pepper' ? 'ledger.db' : 'pepper'))
      await expect(open(data)).rejects.toMatchObject({ code: 'data_corrupt' })
      expect(existsSync(join(data, 'modelward.db'))).toBe(false)
    }
  })
})

describe('the write-ahead log of the keys', () => {
  test('holds nothing after a change, so that no damage to it undoes one', async () => {
    const data = join(createTemporaryFolder(), 'data')
    const { ward } = await open(data)
    const { record } = await ward.keys.create({ name: 'a' })
    await ward.keys.revoke(record.id)
    expect(readFileSync(join(data, 'modelward.db-wal'))).toHaveLength(0)
    await ward.close()
  })

  test.each<readonly [string, (file: string) => void]>([
    ['a deleted log', (file) => unlinkSync(`${file}-wal`)],
    ['a deleted index of the log', (file) => unlinkSync(`${file}-shm`)],
    ['a log that was cut', (file) => truncateSync(`${file}-wal`, 32)],
  ])('%s is an outage at once', async (_what, harm) => {
    const data = join(createTemporaryFolder(), 'data')
    const { ward } = await open(data)
    const { record } = await ward.keys.create({ name: 'a' })
    // Not copied into the file at once: nobody waits for it.
    await ward.store.noteUses([{ keyId: record.id, at: 60_000 }])
    await ward.refresh()
    harm(join(data, 'modelward.db'))
    await expect(ward.refresh()).rejects.toMatchObject(fault)
    await expect(ward.store.findKey(record.id)).rejects.toMatchObject(fault)
    await expect(ward.keys.revoke(record.id)).rejects.toMatchObject(fault)
    await ward.close().catch(() => undefined)
  })
})

describe('the write-ahead logs of ledger, limits and jobs', () => {
  const cut = (file: string): void => truncateSync(`${file}-wal`, 32)
  const remove = (file: string): void => unlinkSync(`${file}-shm`)
  const append = ({ ledger }: Storage) => ledger?.checkpoint()
  const count = ({ jobs }: Storage) => jobs?.forgetExpired(0, 1)

  test.each([
    ['ledger.db', 'cut', cut, append, 'ledger_unavailable'],
    ['ledger.db', 'without its index', remove, append, 'ledger_unavailable'],
    ['jobs.db', 'cut', cut, count, 'store_unavailable'],
    ['jobs.db', 'without its index', remove, count, 'store_unavailable'],
  ] as const)('that of %s, %s, is an outage at once', async (name, _how, harm, use, code) => {
    const data = join(createTemporaryFolder(), 'data')
    const { ward, storage } = await open(data, { ledger: {}, jobs: { models: [] } } as never)
    await use(storage)
    harm(join(data, name))
    await expect(use(storage)).rejects.toMatchObject({ code })
    await ward.close().catch(() => undefined)
  })

  test('that of limits.db, cut, is an outage at once', () => {
    const file = join(createTemporaryFolder(), 'limits.db')
    const store = openSqliteUsageStore({ file })
    store.mark({ steady: 1, wall: 1 })
    cut(file)
    expect(() => store.mark({ steady: 2, wall: 2 })).toThrow(
      expect.objectContaining({ code: 'limiter_unavailable' }),
    )
  })
})
