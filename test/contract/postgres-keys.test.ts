import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { keySorts } from '../../src/keys/store/key-store.ts'
import { parsePeppers } from '../../src/secrets/peppers.ts'
import { openPostgres, type Postgres } from '../../src/storage/postgres/postgres.ts'
import { collectEvents } from '../support/collect-events.ts'
import { openTestSchema, type TestSchema, unhurried } from '../support/services.ts'
import { answerOf, digestOf, idOf, keyOf, ownerOf, peppers } from './key-fixtures.ts'
import { emptyKeys, type OpenedPostgresKeys, openPostgresKeys } from './postgres-keys.ts'

const fault = { name: 'Fault', code: 'store_unavailable' }

let deployment: TestSchema
let postgres: Postgres
beforeAll(async () => {
  deployment = await openTestSchema()
  postgres = await openPostgres({ ...unhurried, url: deployment.url, fault: 'store_unavailable' })
})
afterAll(async () => {
  await postgres.close()
  await deployment.drop()
})
beforeEach(() => emptyKeys(postgres))

async function open(
  options: Parameters<typeof openPostgresKeys>[1] = {},
): Promise<OpenedPostgresKeys['store']> {
  const { store, close } = await openPostgresKeys(deployment.url, options)
  onTestFinished(close)
  return store
}

/** Changes the database as another program would. */
function change(table: string, sql: string): Promise<unknown> {
  return postgres.query(sql.replace(table, `${postgres.schema}.${table}`))
}

describe('a row that another program changed', () => {
  test('is believed in nothing: an outage, one event, and named beside the good ones', async () => {
    const { telemetry, names } = collectEvents()
    const store = await open({ telemetry })
    const changes = [
      `scopes = '["admin"]'`,
      "owner = 'other'",
      'expires_at = NULL',
      'revoked_at = NULL, revoked_reason = NULL',
      "limits = '[]'",
      "addresses = '[]'",
      `secrets = decode(repeat('00', octet_length(secrets)), 'hex')`,
      'version = version + 1',
      "mac = ''",
    ]
    const keys = [...changes, ''].map((_, at) =>
      keyOf(idOf(at), {
        owner: 'acme',
        limits: ['1/min'],
        addresses: ['::1/128'],
        expiresAt: 1e15,
        revokedAt: 5,
        revokedReason: 'leaked',
      }),
    )
    await store.addKeys(keys)
    for (const [at, cells] of changes.entries())
      await change('keys', `UPDATE keys SET ${cells} WHERE id = '${idOf(at)}'`)
    const bad = changes.map((_, at) => idOf(at))
    expect(store.hasDamage()).toBe(false)
    for (const id of [...bad, ...bad]) await expect(store.findKey(id)).rejects.toMatchObject(fault)
    for (const sort of keySorts) {
      const page = await store.listKeys({ sort, descending: false, limit: 3 })
      expect(page.keys.map(({ id }) => id)).toEqual([idOf(changes.length)])
      expect([...(page.damaged ?? [])].sort()).toEqual(bad)
    }
    await expect(store.replaceKey(keyOf(bad[0] ?? '', { version: 2 }))).rejects.toMatchObject(fault)
    expect(names.filter((name) => name === 'keys.row_damaged')).toHaveLength(changes.length)
    expect(store.hasDamage()).toBe(true)
  })

  test('an imported digest that was moved to another key opens neither', async () => {
    const store = await open()
    const secretOf = (text: string) => [
      { digest: digestOf(text), pepperVersion: 1, createdAt: 1, endsAt: null },
    ]
    await store.addKeys([
      keyOf(idOf(1), { imported: true, secrets: secretOf('a') }),
      keyOf(idOf(2), { imported: true, secrets: secretOf('b') }),
    ])
    await change('imported_digests', `UPDATE imported_digests SET key_id = '${idOf(2)}'`)
    await expect(store.findImportedKey([digestOf('a')])).rejects.toMatchObject(fault)
    expect((await store.findImportedKey([digestOf('b')]))?.id).toBe(idOf(2))
  })

  test('limits of an owner are never loosened, and a list names the owner', async () => {
    const store = await open()
    for (const owner of ['a', 'b', 'c']) await store.replaceOwner(ownerOf(owner, { limits: ['1/day'] }))
    await change('owners', "UPDATE owners SET limits = '[]' WHERE owner = 'b'")
    await expect(store.findOwner('b')).rejects.toMatchObject(fault)
    await expect(store.replaceOwner(ownerOf('b', { version: 2 }))).rejects.toMatchObject(fault)
    expect(await store.listOwners({ limit: 2 })).toMatchObject({
      owners: [{ owner: 'a' }, { owner: 'c' }],
      damaged: ['b'],
      hasMore: false,
    })
  })

  test('an answer that looks expired is no second key, and is not deleted', async () => {
    const store = await open({ clock: () => 5_000 })
    await store.addKeys([keyOf(idOf(1))], answerOf('retry'))
    await change('answers', 'UPDATE answers SET expires_at = 1')
    await store.addKeys([keyOf(idOf(2))])
    for (let tries = 0; tries < 2; tries += 1)
      await expect(store.addKeys([keyOf(idOf(3))], answerOf('retry'))).rejects.toMatchObject(fault)
    expect(await store.findKey(idOf(3))).toBeUndefined()
  })

  test('a counter of changes that was set ahead, or has another MAC, is an outage of keys too', async () => {
    const store = await open()
    await store.addKeys([keyOf(idOf(1))])
    for (const cells of ['number = number + 1', 'number = 1::bigint << 60', 'total = 0', "mac = ''"]) {
      await change('changes', `UPDATE changes SET ${cells}`)
      await expect(store.findKey(idOf(1)), cells).rejects.toMatchObject(fault)
      await expect(store.findImportedKey([digestOf('a')]), cells).rejects.toMatchObject(fault)
      await expect(store.findOwner('a'), cells).rejects.toMatchObject(fault)
    }
  })

  test('a counter of changes that was set back is an outage of changes, and refused at the next start', async () => {
    const store = await open()
    await store.addKeys([keyOf(idOf(1)), keyOf(idOf(2))])
    const { cursor } = await store.readChanges(undefined)
    await change('changes', 'UPDATE changes SET number = number - 1')
    await expect(store.readChanges(cursor)).rejects.toMatchObject(fault)
    await expect(store.addKeys([keyOf(idOf(3))])).rejects.toMatchObject(fault)
    await expect(open()).rejects.toMatchObject({ name: 'SetupError', code: 'data_corrupt' })
    await change('changes', 'DELETE FROM changes')
    await expect(store.readChanges(cursor)).rejects.toMatchObject(fault)
    await expect(store.findKey(idOf(1))).rejects.toMatchObject(fault)
    await expect(open()).rejects.toMatchObject({ code: 'data_corrupt' })
  })

  test('a revoked key whose row is put back as it was keeps every node from starting', async () => {
    const store = await open()
    await store.addKeys([keyOf(idOf(1))])
    const [before] = await postgres.query<{ readonly row: string }>(
      `SELECT row_to_json(k)::text AS row FROM ${postgres.schema}.keys AS k`,
    )
    await store.replaceKey(keyOf(idOf(1), { version: 2, revokedAt: 5 }))
    await store.addKeys([keyOf(idOf(2))])
    await change('keys', `DELETE FROM keys WHERE id = '${idOf(1)}'`)
    await expect(open()).rejects.toMatchObject({ code: 'data_corrupt' })
    const table = `${postgres.schema}.keys`
    await postgres.query(
      `INSERT INTO ${table} SELECT * FROM json_populate_record(NULL::${table}, $1::json)`,
      [before?.row],
    )
    expect((await store.findKey(idOf(1)))?.revokedAt, 'its MAC is right').toBeNull()
    await expect(open()).rejects.toMatchObject({ code: 'data_corrupt' })
  })
})

describe('peppers', () => {
  const pepperOf = (version: number, byte: number): string =>
    `${version}:${Buffer.alloc(32, byte).toString('base64url')}`
  const other = parsePeppers(pepperOf(1, 9), 'the test')
  const rotated = parsePeppers(`${pepperOf(1, 7)}\n${pepperOf(2, 9)}`, 'the test')

  test('another pepper, or one too few, is refused at the start of a node', async () => {
    await (await open()).addKeys([keyOf(idOf(1))])
    await expect(open({ peppers: other })).rejects.toMatchObject({
      name: 'SetupError',
      code: 'pepper_mismatch',
    })
    const second = await open({ peppers: rotated })
    expect(await second.findKey(idOf(1))).toBeDefined()
    await second.addKeys([keyOf(idOf(2))])
    await expect(open()).rejects.toMatchObject({ code: 'pepper_missing' })
  })

  test('of nodes that start at once with two peppers, those of one start', async () => {
    const started = await Promise.allSettled(
      [peppers, other, peppers, other].map((its) => open({ peppers: its })),
    )
    const outcomes = started.map(({ status }) => status)
    expect([outcomes.slice(0, 2), outcomes.slice(2)].map((pair) => pair.toSorted())).toEqual([
      ['fulfilled', 'rejected'],
      ['fulfilled', 'rejected'],
    ])
    expect(outcomes[0]).toBe(outcomes[2])
  })

  test('a row without its pepper’s check value is refused all the same', async () => {
    await (await open()).addKeys([keyOf(idOf(1))])
    await change('settings', 'DELETE FROM settings')
    await expect(open({ peppers: other })).rejects.toMatchObject({ code: 'data_corrupt' })
  })
})

describe('what the database cannot hold', () => {
  const texts = ['\0', 'a\0b', '\ud800', 'a\udfff', '\0\ud800']

  test('is the name of nothing, and never a fault', async () => {
    const store = await open()
    await store.addKeys([keyOf(idOf(1), { owner: 'a\ufffd' })])
    await store.replaceOwner(ownerOf('a\ufffd'))
    for (const text of texts) {
      expect(await store.findKey(text)).toBeUndefined()
      expect(await store.findOwner(text)).toBeUndefined()
      expect(await store.findAnswer(text, 0)).toBeUndefined()
      const query = { sort: 'id', descending: false, limit: 10 } as const
      for (const filter of [{ owner: text }, { scope: text }, { nameContains: text }])
        expect(await store.listKeys({ ...query, ...filter })).toEqual({ keys: [], hasMore: false })
    }
  })

  test('may stand in a forged cursor, with any number: a page follows, no fault', async () => {
    const store = await open()
    await store.addKeys([keyOf(idOf(1)), keyOf(idOf(2))])
    await store.replaceOwner(ownerOf('a'))
    for (const text of texts) {
      await store.listOwners({ limit: 1, after: text })
      for (const descending of [false, true])
        for (const sort of ['id', 'name'] as const)
          await store.listKeys({ sort, descending, limit: 1, after: { value: text, id: text } })
    }
    for (const value of [1.5, -1e300, 1e300, Number.NaN, Number.MAX_SAFE_INTEGER])
      for (const sort of ['created_at', 'expires_at', 'last_used_at'] as const)
        await store.listKeys({
          sort,
          descending: true,
          limit: 1,
          after: { value, id: idOf(1) },
          unusedSince: value,
          status: { is: 'active', now: value },
        })
  })

  test('a name with U+0000 stands before and behind the same names as everywhere', async () => {
    const store = await open()
    const names = ['a', 'a\u0001', 'aa', 'b']
    await store.addKeys(names.map((name, at) => keyOf(idOf(at), { name })))
    const namesAfter = async (value: string, descending: boolean): Promise<readonly string[]> =>
      (
        await store.listKeys({ sort: 'name', descending, limit: 10, after: { value, id: idOf(99) } })
      ).keys.map(({ name }) => name)
    expect(await namesAfter('a\0', false)).toEqual(['a\u0001', 'aa', 'b'])
    expect(await namesAfter('a\0', true)).toEqual(['a'])
  })

  test('metadata keeps U+0000 and lone surrogates, as JSON writes them', async () => {
    const store = await open()
    const metadata = { text: 'a\0b\ud800' }
    await store.addKeys([keyOf(idOf(1), { metadata })])
    expect((await store.findKey(idOf(1)))?.metadata).toEqual(metadata)
  })
})

describe('stored answers', () => {
  test('expired ones are deleted in bounded pieces, by number and by bytes', async () => {
    let now = 5_000
    const store = await open({ clock: () => now })
    const count = async (): Promise<number> => {
      const [row] = await postgres.query<{ readonly count: number }>(
        `SELECT count(*) AS count FROM ${postgres.schema}.answers`,
      )
      return row?.count ?? 0
    }
    const add = async (number: number, bytes: number): Promise<void> => {
      const answer = answerOf(`answer ${number}`, {
        sealed: new Uint8Array(bytes),
        expiresAt: 6_000 + number,
      })
      await store.addKeys([keyOf(idOf(number))], answer)
    }
    for (let number = 0; number < 5; number += 1) await add(number, 1.5 * 2 ** 20)
    for (let number = 5; number < 250; number += 1) await add(number, 1)
    now = 20_000
    await store.addKeys([keyOf(idOf(1_000))])
    expect(await count(), 'three of 1.5 MiB').toBe(247)
    await store.addKeys([keyOf(idOf(1_001))])
    expect(await count()).toBe(47)
    await store.addKeys([keyOf(idOf(1_002))])
    expect(await count()).toBe(0)
  })
})
