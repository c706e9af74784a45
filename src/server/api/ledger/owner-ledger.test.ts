import { generateKeyPairSync } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { createMemoryLedger } from '../../../../test/support/memory-ledger.ts'
import { openTestApp, type TestApp } from '../../../../test/support/test-app.ts'
import type { LedgerQuery, UsageQuery } from '../../../ledger/ledger.ts'
import type { LedgerRecordView } from '../../../ledger/query/record-view.ts'
import type { LedgerPageView } from './ledger-schemas.ts'

const { privateKey: signingKey } = generateKeyPairSync('ed25519')
const apps: TestApp[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map(({ app }) => app.close()))
})

/** Requests by a key of `acme` and one of `globex`, and a key of `acme` that reads its owner's. */
async function open(...scopes: readonly string[]) {
  const asked: (LedgerQuery | UsageQuery)[] = []
  const now = Date.UTC(2026, 0, 1)
  const memory = createMemoryLedger({ signingKey, clock: () => now })
  const noting =
    <Query extends LedgerQuery | UsageQuery, Found>(find: (query: Query) => Promise<Found>) =>
    (query: Query) => {
      asked.push(query)
      return find(query)
    }
  const ledger = { ...memory, query: noting(memory.query), usage: noting(memory.usage) }
  const opened = await openTestApp({ ward: { ledger, limitOperational: 'none' } })
  apps.push(opened)
  const { app, ward, keys } = opened
  const make = async (name: string, owner: string, of: readonly string[]) =>
    ward.keys.by('cli').create({ name, owner, scopes: of })
  const mine = await make('mine', 'acme', ['predict'])
  const others = await make('others', 'globex', ['predict'])
  const reader = await make('reader', 'acme', ['usage:owner', ...scopes])
  for (const { text } of [mine, others, others])
    await app.inject({
      method: 'POST',
      url: '/predict',
      headers: { 'x-api-key': text },
      payload: { text: 'a' },
    })
  asked.length = 0
  const get = async (url: string, key = reader.text) =>
    (await app.inject({ url, headers: { 'x-api-key': key } })).json()
  return { ...opened, keys, mine, others, reader, get, asked }
}

describe('GET /v1/ledger with usage:owner', () => {
  test('shows the records of the own owner alone, asked of the ledger so', async () => {
    const { get, mine, reader, asked } = await open()
    const { records } = await get('/v1/ledger')
    expect(records.length).toBeGreaterThan(2)
    expect(new Set(records.map(({ owner }: LedgerRecordView) => owner))).toEqual(new Set(['acme']))
    expect(JSON.stringify(records)).toContain(mine.record.id)
    expect(asked.map(({ owner }) => owner)).toEqual(['acme'])
    expect(reader.record.owner).toBe('acme')
  })

  test.each(['owner=globex', 'key_id=OTHERS', 'owner=globex&order=oldest', 'key_id=OTHERS&owner=acme'])(
    'finds nothing of another by %s',
    async (query) => {
      const { get, others } = await open()
      const { records } = await get(`/v1/ledger?${query.replace('OTHERS', others.record.id)}`)
      expect(records).toEqual([])
    },
  )

  test('names no key of another owner that changed its keys, and names its own', async () => {
    const { app, ward, get, mine, keys, reader } = await open()
    const { record: admin } = { record: await adminOf(ward) }
    const patch = { method: 'PATCH', url: `/v1/keys/${mine.record.id}`, payload: { name: 'b' } } as const
    await app.inject({ ...patch, headers: { 'x-api-key': keys.admin } })
    await ward.keys.by(reader.record.id).update(mine.record.id, { name: 'c' })
    const { records } = await get('/v1/ledger?event=key.updated')
    expect(records.map(({ detail }: LedgerRecordView) => detail?.['by'])).toEqual([reader.record.id, null])
    const body = JSON.stringify(await get('/v1/ledger'))
    expect(body).not.toContain(admin)
    expect(body).not.toContain('"cli"')
    // It counts the changes of everyone.
    expect(records.map(({ detail }: LedgerRecordView) => detail?.['change'])).toEqual([null, null])
    const all = JSON.stringify(await get('/v1/ledger', keys.admin))
    expect(all).toContain(admin)
    expect(all).toMatch(/"change":\d/)
  })
})

describe('positions with usage:owner', () => {
  const opaque = /^[\w-]{22}$/

  /** What a key's pages have: changes alone, as each request for a page is recorded too. */
  async function pagesOf(get: (url: string) => Promise<LedgerPageView>, order: string) {
    const records: LedgerPageView['records'][number][] = []
    let after = ''
    for (let pages = 0; pages < 20; pages += 1) {
      const page = await get(`/v1/ledger?limit=1&event=key.created&order=${order}${after}`)
      records.push(...page.records)
      if (page.next === null || page.records.length === 0) return records
      expect(page.next).toMatch(opaque)
      after = `&after=${page.next}`
    }
    throw new Error('the pages do not end')
  }

  test('say nothing of how much others write, and join pages without a gap or a repeat', async () => {
    const { get, keys } = await open()
    const every = await get('/v1/ledger?owner=acme&event=key.created', keys.admin)
    const real: readonly LedgerRecordView[] = every.records
    const shown = await pagesOf(get, 'newest')
    expect(shown.map(({ hash }) => hash)).toEqual(real.map(({ hash }) => hash))
    expect(shown.length).toBeGreaterThan(1)
    for (const { position, seq } of shown) {
      expect(position).toMatch(opaque)
      expect(seq).toBeNull()
    }
    // A record has the same text in each order, so that a reader knows it again.
    const oldest = await pagesOf(get, 'oldest')
    const textOf = new Map(oldest.map(({ hash, position }) => [hash, position]))
    for (const { hash, position } of shown) expect(position).toBe(textOf.get(hash))
    // Operators go on to have what is real.
    for (const { position, seq } of real) expect(position).toBe(`${seq}.0`)
  })

  test('that are real, another owner’s, or changed, are refused in a sentence', async () => {
    const { get, ward, keys } = await open()
    const other = await ward.keys.create({ name: 'o', owner: 'globex', scopes: ['usage:owner'] })
    const own = (await get('/v1/ledger?limit=1')).next
    const others = (await get('/v1/ledger?limit=1', other.text)).next
    const real = (await get('/v1/ledger?limit=1', keys.admin)).next
    const refused = async (after: string, key?: string) => get(`/v1/ledger?after=${after}`, key)
    const ofOwner = {
      status: 422,
      code: 'input_invalid',
      errors: [
        {
          loc: ['query', 'after'],
          msg: 'Expected the `next` of a page, or the `position` of a record, as it is shown to keys of this owner',
          type: 'cursor',
        },
      ],
    }
    for (const after of [real, others, own.slice(1), `${own}A`, '1.0', '0.0', ''])
      expect(await refused(after), after).toMatchObject(ofOwner)
    // Even where there is nothing to find, so that no probe tells one from the other.
    expect(await refused(`${real}&owner=globex`)).toMatchObject(ofOwner)
    expect(await refused(own)).toHaveProperty('records')
    expect(await refused(own, keys.admin)).toMatchObject({
      errors: [{ msg: 'Expected the `next` of a page, or the `position` of a record', type: 'cursor' }],
    })
  })

  test('of one key of the owner are understood of another, and of none that was moved away', async () => {
    const { get, ward, reader } = await open()
    const second = await ward.keys.create({ name: 's', owner: 'acme', scopes: ['usage:owner'] })
    const { next } = await get('/v1/ledger?limit=1')
    expect(await get(`/v1/ledger?after=${next}`, second.text)).toHaveProperty('records')
    await ward.keys.update(reader.record.id, { owner: 'globex' })
    await ward.refresh()
    expect(await get(`/v1/ledger?after=${next}`)).toMatchObject({ status: 422 })
  })
})

async function adminOf(ward: TestApp['ward']): Promise<string> {
  const { keys } = await ward.keys.list({ scope: 'admin' })
  return keys[0]?.id ?? ''
}

describe('GET /v1/usage with usage:owner', () => {
  test.each(['by=key', 'by=owner', 'by=route', 'by=model', 'by=day', 'by=month', 'format=csv&by=owner,key'])(
    'sums up the own owner alone: %s',
    async (query) => {
      const { app, asked, others, reader } = await open()
      const answer = await app.inject({ url: `/v1/usage?${query}`, headers: { 'x-api-key': reader.text } })
      expect(answer.statusCode).toBe(200)
      for (const name of ['globex', others.record.id, 'others']) expect(answer.body).not.toContain(name)
      expect(asked.map(({ owner }) => owner)).toEqual(['acme'])
      if (query.startsWith('by')) {
        const { usage } = answer.json()
        expect(usage.reduce((sum: number, row: { requests: number }) => sum + row.requests, 0)).toBe(1)
      }
    },
  )

  test('is empty for another owner and its keys', async () => {
    const { get, others } = await open()
    expect(await get('/v1/usage?owner=globex&by=owner')).toEqual({ usage: [] })
    expect(await get(`/v1/usage?key_id=${others.record.id}`)).toEqual({ usage: [] })
  })

  test('does not tell what a key is called that is another’s by now', async () => {
    const { get, mine, ward } = await open()
    await ward.keys.update(mine.record.id, { owner: 'globex', name: 'renamed there' })
    const { usage } = await get('/v1/usage?by=key')
    expect(JSON.stringify(usage)).not.toContain('renamed there')
  })
})

test('beside ledger:read or usage:read, each of the two is wide where its scope is', async () => {
  for (const [scope, wide, narrow] of [
    ['ledger:read', '/v1/ledger', '/v1/usage?by=owner'],
    ['usage:read', '/v1/usage?by=owner', '/v1/ledger'],
  ] as const) {
    const { get } = await open(scope)
    expect(JSON.stringify(await get(wide))).toContain('globex')
    expect(JSON.stringify(await get(narrow))).not.toContain('globex')
  }
})
