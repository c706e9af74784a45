import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import type { InjectOptions } from 'fastify'
import { expect, test } from 'vitest'
import { createMemoryLedger } from '../../../../test/support/memory-ledger.ts'
import { openTestApp } from '../../../../test/support/test-app.ts'
import type { KeyRecord } from '../../../keys/record/key-record.ts'

const { privateKey: signingKey } = generateKeyPairSync('ed25519')

/** Words that stand for nothing but the other owners' keys: no answer may have one. */
const secretWords = ['globex', 'umbrella', 'zqxname', 'zqxtag', 'zqx-scope', '198.51.100.']

/** Calls of each run; `TEST_CALLS=10000` makes the whole fuzz, which takes a minute. */
const calls = Number(process.env['TEST_CALLS'] ?? 1_500)

test(`${calls} random calls by a key with keys:owner change, show and name nothing of another owner`, {
  timeout: 60_000 + 30 * calls,
}, async () => {
  const now = Date.UTC(2026, 0, 1)
  const ledger = createMemoryLedger({ signingKey, clock: () => now })
  const { app, ward, keys } = await openTestApp({
    ward: { limitOperational: 'none', limitBadKeys: 'none', ledger },
  })
  const make = async (owner: string, scopes: readonly string[], more: object = {}) =>
    ward.keys.create({ name: 'own', owner, scopes, ...more })
  const more = { name: 'zqxname', metadata: { zqxtag: 1 }, addresses: ['198.51.100.0/24'] }
  const others = [
    await make('globex', ['keys:owner', 'predict'], more),
    await make('umbrella', ['zqx-scope', 'predict'], more),
    await make('globex', ['predict'], more),
  ]
  // Wider ones of its own owner: to see, and never to change but by an end.
  const wide = [await make('acme', ['keys:write']), await make('acme', ['predict', 'of-an-app'])]
  const manager = await make('acme', ['keys:owner', 'keys:self', 'usage:owner', 'predict'])
  const spare = await make('acme', ['keys:owner', 'predict'])
  await app.inject({
    method: 'POST',
    url: '/v1/keys',
    payload: { name: 'zqxname', owner: 'globex' },
    headers: { 'x-api-key': keys.admin, 'idempotency-key': 'i' },
  })

  const found = async (): Promise<readonly KeyRecord[]> =>
    (await ward.keys.list({ limit: 1_000, sort: 'id' })).keys
  const ofOthers = async (): Promise<readonly unknown[]> =>
    (await found()).filter(({ owner }) => owner !== 'acme').map(({ lastUsedAt: _, ...rest }) => rest)
  const before = await ofOthers()
  const adminIds = (await ward.keys.list({ scope: 'admin' })).keys.map(({ id }) => id)
  const hidden = [...secretWords, ...others.map(({ record }) => record.id), ...adminIds]

  // `MADE` is the key that was made last.
  const ids = [...[...others, ...wide, spare, manager].map(({ record }) => record.id), 'MADE', 'MADE']
  let made = manager.record.id
  let own = manager.text
  let done = 0
  const rarely = <T>(arbitrary: fc.Arbitrary<T>) =>
    fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })
  const text = fc.constantFrom('a', 'own', 'b', 'globex', '', '\u0000', 'a'.repeat(200))
  const scopes = fc.array(
    fc.constantFrom('keys:self', 'predict', 'keys:owner', 'admin', 'keys:write', 'zqx-scope'),
    {
      maxLength: 2,
    },
  )
  const allowed = {
    name: fc.constantFrom('a', 'own', 'b'),
    scopes: rarely(scopes),
    metadata: rarely(fc.constantFrom({}, { self: { a: 1 } }, { plan: 'pro' }, { self: 1 })),
    addresses: rarely(fc.constantFrom([], ['127.0.0.0/8'], ['10.0.0.0/8'], ['0.0.0.0/0'])),
    expires_in: rarely(fc.constantFrom('1s', '10d')),
  }
  const fields = fc.record(allowed)
  const wild = fc.record(
    {
      ...allowed,
      owner: text,
      limits: fc.constantFrom(null, [], ['9/min']),
      expires_at: fc.constantFrom(null, '2030-01-01', '2020-01-01'),
      overlap: fc.constantFrom('24h', '0s'),
      reason: text,
      sha256: fc.constantFrom('0'.repeat(64), '1'.repeat(64)),
    },
    { requiredKeys: [] },
  )
  const cursor = fc
    .tuple(
      fc.constantFrom('id', 'name', 'created_at'),
      fc.constantFrom(...ids, 'zqxname', 0),
      fc.constantFrom(...ids),
    )
    .map((parts) => Buffer.from(JSON.stringify(parts)).toString('base64url'))
  const query = fc.oneof(
    fc.constantFrom(
      '',
      '',
      '?force=true',
      '?owner=globex',
      '?scope=zqx-scope',
      '?name=zqx',
      '?limit=1',
      '?by=owner',
    ),
    cursor.map((at) => `?sort=id&cursor=${at}`),
    fc.constantFrom(...ids).map((id) => `?key_id=${id}`),
  )
  const nothing = fc.constant(undefined)
  const id = fc.constantFrom(...ids)
  const overlap = fc.constantFrom(undefined, { overlap: '24h' }, { overlap: '0s' })
  const reason = fc.constantFrom(undefined, { reason: 'leaked' }, { reason: '' })
  const key = (act: string) => id.map((of) => `/v1/keys/${of}${act}`)
  const fixed = (...urls: string[]) => fc.constantFrom(...urls)
  const get = fc.constant('GET')
  const post = fc.constant('POST')
  const call = fc.oneof(
    fc.tuple(get, fixed('/v1/keys', '/v1/keys/self', '/v1/ledger', '/v1/usage'), query, nothing),
    fc.tuple(get, fc.oneof(key(''), key('/limits')), query, nothing),
    fc.tuple(post, fixed('/v1/keys'), fc.constant(''), fields),
    fc.tuple(fc.constant('PATCH'), key(''), query, fields),
    fc.tuple(post, fc.oneof(key('/rotate'), fixed('/v1/keys/self/rotate')), query, overlap),
    fc.tuple(post, fc.oneof(key('/revoke'), fixed('/v1/keys/self/revoke')), query, reason),
    fc.tuple(post, fc.oneof(key('/disable'), key('/enable'), key('/limits/reset')), query, nothing),
    fc.tuple(
      fc.constantFrom('GET', 'POST', 'PATCH', 'PUT', 'DELETE'),
      fixed(
        '/v1/keys',
        '/v1/keys/import',
        '/v1/owners/globex',
        '/v1/owners',
        '/v1/nodes',
        '/v1/jobs',
        '/jobs',
      ),
      query,
      fc.oneof(wild, fc.array(wild, { maxLength: 2 })),
    ),
    fc.tuple(fc.constant('PATCH'), key(''), query, wild),
  )
  const retried = fc.constantFrom(undefined, undefined, 'i', 'j')

  const sampled = fc.sample(fc.tuple(call, retried), { numRuns: calls, seed: 4_711 })
  for (const [[method, url, asked, payload], idempotency] of sampled) {
    const headers = { 'x-api-key': own, ...(idempotency && { 'idempotency-key': idempotency }) }
    const request = {
      method,
      url: `${url}${asked}`.replace('MADE', made),
      headers,
      ...(payload && { payload }),
    } as InjectOptions
    const answer = await app.inject(request)
    const said = `${method} ${url}${asked} ${JSON.stringify(payload)}: ${answer.statusCode} ${answer.body}`
    expect(answer.statusCode, said).toBeLessThan(500)
    // What it asked with may come back in a refusal; only what it did not say tells it something.
    const sent = `${request.url} ${JSON.stringify(payload ?? null)}`
    for (const word of hidden) if (!sent.includes(word)) expect(answer.body, said).not.toContain(word)
    const { key: issued, id: of } =
      answer.statusCode < 300 && answer.body.startsWith('{') ? answer.json() : {}
    if (issued !== undefined) {
      made = of
      const { scopes: given, owner } = await ward.keys.get(of)
      expect([owner, given.filter((scope) => !manager.record.scopes.includes(scope))], said).toEqual([
        'acme',
        [],
      ])
    }
    done += answer.statusCode < 300 ? 1 : 0
    // A retry's answer is the text of then.
    const isOver = answer.statusCode === 403 && answer.json().code !== 'scope_missing'
    if (isOver) own = (await ward.keys.rotate(manager.record.id)).text
    await keepManaging()
    if (issued !== undefined && of === manager.record.id) own = issued
  }
  expect(done).toBeGreaterThan(calls / 8)
  expect(await ofOthers()).toEqual(before)
  for (const { record } of wide) {
    const { scopes: kept, secrets, name } = await ward.keys.get(record.id)
    expect([kept, secrets.length, name]).toEqual([record.scopes, 1, 'own'])
  }
  await app.close()

  /** Makes the manager what it was, after calls by which it narrowed or ended itself. */
  async function keepManaging(): Promise<void> {
    const record = await ward.keys.get(manager.record.id)
    const { disabledAt, revokedAt, expiresAt, addresses, scopes: kept } = record
    if ((disabledAt ?? revokedAt ?? expiresAt) === null && addresses.length === 0 && kept.length === 4) return
    await ward.store.replaceKey({ ...manager.record, secrets: record.secrets, version: record.version + 1 })
    await ward.refresh()
  }
})
