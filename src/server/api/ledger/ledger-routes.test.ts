import { generateKeyPairSync } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { createMemoryLedger } from '../../../../test/support/memory-ledger.ts'
import { openTestApp, type TestApp } from '../../../../test/support/test-app.ts'
import { Fault } from '../../../core/fault.ts'
import { type LedgerEntry, ledgerEntry } from '../../../ledger/format/record.ts'
import type { Ledger, LedgerQuery, UsageRow } from '../../../ledger/ledger.ts'
import type { LedgerRecordView } from '../../../ledger/query/record-view.ts'

const { privateKey: signingKey } = generateKeyPairSync('ed25519')
const start = Date.UTC(2026, 0, 1)

/** Twenty requests, a minute apart: of two keys in turns, every fifth refused. */
const entries: readonly LedgerEntry[] = Array.from({ length: 20 }, (_, index) =>
  ledgerEntry({
    at: start + index * 60_000,
    event: index % 5 === 0 ? 'request.refused' : 'request.admitted',
    code: index % 5 === 0 ? 'rate_limited' : null,
    requestId: `r${index}`,
    keyId: index % 2 === 0 ? 'AAAAAAAAAAAA' : 'BBBBBBBBBBBB',
    owner: index % 2 === 0 ? 'acme' : 'globex',
    route: index < 10 ? '/predict' : '/jobs/:id',
    latencyUs: 1_500,
    measures: { requests: 1 },
  }),
)

const apps: TestApp[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map(({ app }) => app.close()))
})

/**
 * An app over a ledger with those requests, and calls of it with keys that may read, and may not.
 */
async function open(changed: Partial<Ledger> = {}) {
  const filled = createMemoryLedger({ signingKey, clock: () => start })
  for (const entry of entries) await filled.append(entry)
  // Records of what the test itself asks would be among those that it counts.
  const ledger: Ledger = { ...filled, append: async () => {}, ...changed }
  const opened = await openTestApp({ ward: { ledger } })
  apps.push(opened)
  const { app, ward, keys } = opened
  const keyWith = async (...scopes: readonly string[]) => (await ward.keys.create({ name: 'k', scopes })).text
  const get = (url: string, key = keys.admin) => app.inject({ url, headers: { 'x-api-key': key } })
  const records = async (query: string): Promise<readonly LedgerRecordView[]> =>
    (await get(`/v1/ledger?${query}`)).json().records
  return { ...opened, get, records, keyWith }
}

const idsOf = (records: readonly LedgerRecordView[]): readonly (string | null)[] =>
  records.map((record) => record.request_id)
const idsWhere = (holds: (entry: LedgerEntry) => boolean): readonly (string | null)[] =>
  entries.filter(holds).map(({ requestId }) => requestId)

describe('who may read', () => {
  test.each([
    ['/v1/ledger', 'ledger:read', 'usage:read'],
    ['/v1/usage', 'usage:read', 'ledger:read'],
  ])('%s: administrators, and keys with the scope %s', async (url, scope, other) => {
    const { get, keyWith, keys } = await open()
    expect((await get(url)).statusCode).toBe(200)
    expect((await get(url, await keyWith(scope, 'predict'))).statusCode).toBe(200)
    for (const key of [keys.right, await keyWith(other)])
      expect((await get(url, key)).json()).toMatchObject({
        status: 403,
        code: 'scope_missing',
        detail: `This API key lacks the scope \`admin\` or \`${scope}\` or \`usage:owner\`.`,
      })
    expect((await get(url, keys.wrong)).statusCode).toBe(403)
  })

  test('a key that may read the ledger may not administer', async () => {
    const { get, keyWith } = await open()
    const key = await keyWith('ledger:read', 'usage:read')
    expect((await get('/v1/keys', key)).json()).toMatchObject({ code: 'scope_missing' })
  })
})

describe('GET /v1/ledger', () => {
  test('shows a record whole, the newest first', async () => {
    const { records } = await open()
    const [last] = await records('limit=1')
    expect(last).toMatchObject({
      time: '2026-01-01T00:19:00.000Z',
      event: 'request.admitted',
      request_id: 'r19',
      key_id: 'BBBBBBBBBBBB',
      owner: 'globex',
      route: '/jobs/:id',
      latency_ms: 1.5,
      measures: { requests: 1 },
      detail: null,
    })
    expect(last?.hash).toMatch(/^[0-9a-f]{64}$/)
  })

  test.each<[string, (entry: LedgerEntry) => boolean]>([
    ['key_id=AAAAAAAAAAAA', ({ keyId }) => keyId === 'AAAAAAAAAAAA'],
    ['owner=globex', ({ owner }) => owner === 'globex'],
    ['code=rate_limited', ({ code }) => code === 'rate_limited'],
    [
      'event=request.refused&owner=acme',
      ({ event, owner }) => event === 'request.refused' && owner === 'acme',
    ],
    ['route=/jobs/:id', ({ route }) => route === '/jobs/:id'],
    ['request_id=r7', ({ requestId }) => requestId === 'r7'],
    [
      'event=request.admitted&since=2026-01-01T00:05:00Z',
      ({ at, code }) => at >= start + 300_000 && code === null,
    ],
    [
      `event=request.admitted&until=${start + 300_000}`,
      ({ at, code }) => at < start + 300_000 && code === null,
    ],
    ['event=request.admitted&since=2026-01-02', () => false],
  ])('?%s finds those records and no others', async (query, holds) => {
    const { records } = await open()
    expect(idsOf(await records(`${query}&order=oldest`))).toEqual(idsWhere(holds))
    expect(idsOf(await records(query))).toEqual(idsWhere(holds).toReversed())
  })

  test('pages join without a gap or a repeat, and the last says so', async () => {
    const { get } = await open()
    const found: LedgerRecordView[] = []
    let next: string | null = ''
    for (let pages = 0; next !== null && pages < 10; pages += 1) {
      const after: string = next === '' ? '' : `&after=${next}`
      const page = (await get(`/v1/ledger?owner=acme&limit=4${after}`)).json()
      found.push(...page.records)
      next = page.next
    }
    expect(next).toBeNull()
    expect(idsOf(found)).toEqual(idsWhere(({ owner }) => owner === 'acme').toReversed())
  })

  test.each([
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['code=rate_limitd', 'code'],
    ['event=request.lost', 'event'],
    ['since=yesterday', 'since'],
    ['until=2027-02-30', 'until'],
    ['since=2027-01-31T12:00:00', 'since'],
    ['since=2026-01-02&until=2026-01-02', 'until'],
    ['after=first', 'after'],
    ['order=random', 'order'],
    ['colour=red', 'colour'],
  ])('refuses ?%s', async (query, field) => {
    const { get } = await open()
    const answer = await get(`/v1/ledger?${query}`)
    expect([answer.statusCode, answer.json().errors]).toEqual([
      422,
      [expect.objectContaining({ loc: ['query', field] })],
    ])
  })
})

describe('GET /v1/usage', () => {
  test('sums up by what is asked', async () => {
    const { get } = await open()
    expect((await get('/v1/usage?by=owner&since=2026-01-01')).json()).toEqual({
      usage: [
        {
          key_id: null,
          key_name: null,
          owner: 'acme',
          route: null,
          model: null,
          day: null,
          month: null,
          requests: 10,
          admitted: 8,
          operational: 0,
          refused: { rate_limited: 2 },
          measures: { requests: 10 },
          latency_ms: {
            p50: expect.closeTo(1.5, 0),
            p95: expect.closeTo(1.5, 0),
            p99: expect.closeTo(1.5, 0),
          },
          last_used_at: '2026-01-01T00:18:00.000Z',
        },
        expect.objectContaining({ owner: 'globex', requests: 10, admitted: 8 }),
      ],
    })
  })

  test('names keys, as JSON and as CSV', async () => {
    const { get, ward } = await open({
      usage: async () => [
        { ...row, keyId: issued.record.id, owner: 'acme', model: 'sentiment', requests: 3, admitted: 3 },
        { ...row, keyId: 'AAAAAAAAAAAA', operational: 2 },
      ],
    })
    const issued = await ward.keys.create({ name: '=Production' })
    const row: UsageRow = {
      ...{ keyId: null, owner: null, route: null, model: null, day: null, month: '2026-01' },
      ...{ requests: 0, admitted: 0, operational: 0, refused: {}, measures: { requests: 3, tokens: 50 } },
      ...{ latencyMs: null, lastUsedAt: null },
    }
    const { usage } = (await get('/v1/usage?by=key,model,month')).json()
    expect(usage).toMatchObject([{ key_name: '=Production' }, { key_name: null, operational: 2 }])
    const answer = await get('/v1/usage?by=key,model,month&format=csv')
    expect(answer.headers['content-type']).toBe('text/csv; charset=utf-8')
    expect(answer.body).toBe(
      'period,owner,key_id,key_name,route,model,requests,refused,tokens\r\n' +
        `2026-01,acme,${issued.record.id},'=Production,,sentiment,3,0,50\r\n`,
    )
  })

  test('without words is by key and day, of today and the 29 days before it', async () => {
    const queries: unknown[] = []
    const { get, ward } = await open({
      usage: async (query) => {
        queries.push(query)
        return []
      },
    })
    ward.time.now = Date.UTC(2026, 1, 1, 15)
    await get('/v1/usage')
    await get('/v1/usage?until=2026-01-15&owner=acme')
    expect(queries).toEqual([
      { by: ['key', 'day'], since: Date.UTC(2026, 0, 3) },
      {
        by: ['key', 'day'],
        since: Date.UTC(2025, 11, 17),
        until: Date.UTC(2026, 0, 15),
        owner: 'acme',
      },
    ])
  })

  test.each(['by=week', 'by=key,key', 'by=', 'code=rate_limited', 'format=xml'])(
    'refuses ?%s',
    async (query) => {
      const { get } = await open()
      expect((await get(`/v1/usage?${query}`)).json()).toMatchObject({ status: 422, code: 'input_invalid' })
    },
  )
})

test('a ledger that cannot be read is a 503, never an empty answer', async () => {
  const broken = async (_query: Pick<LedgerQuery, 'owner'>): Promise<never> => {
    throw new Fault('ledger_unavailable', 'disk gone')
  }
  const { get } = await open({ query: broken, usage: broken })
  for (const url of ['/v1/ledger', '/v1/usage']) {
    const answer = await get(url)
    expect(answer.json()).toMatchObject({ status: 503, code: 'ledger_unavailable' })
    expect([answer.headers['retry-after'], answer.body.includes('disk')]).toEqual(['1', false])
  }
})
