import { afterAll, beforeAll, expect, test } from 'vitest'
import { keySorts } from '../../src/keys/store/key-store.ts'
import type { PostgresKeyStore } from '../../src/storage/postgres/keys/key-store.ts'
import { openPostgresKeyStore } from '../../src/storage/postgres/keys/open-key-store.ts'
import { openPostgres, type Postgres, type Query } from '../../src/storage/postgres/postgres.ts'
import { openTestSchema, type TestSchema, unhurried } from '../support/services.ts'
import { answerOf, digestOf, idOf, keyOf, peppers, sortValue } from './key-fixtures.ts'

interface Asked {
  readonly text: string
  readonly values: readonly unknown[] | undefined
}

let deployment: TestSchema
let postgres: Postgres
let store: PostgresKeyStore
let asked: Asked[] = []

const keys = Array.from({ length: 20_000 }, (_, number) =>
  keyOf(idOf(number), {
    owner: `owner ${number % 2_000}`,
    imported: number % 2 === 0,
    createdAt: number * 7,
    updatedAt: number * 3,
    expiresAt: number % 3 === 0 ? null : number * 11,
  }),
)

beforeAll(async () => {
  deployment = await openTestSchema()
  postgres = await openPostgres({ ...unhurried, url: deployment.url, fault: 'store_unavailable' })
  store = await openPostgresKeyStore({
    postgres: recorded(postgres),
    url: deployment.url,
    peppers,
    clock: () => 5_000,
  })
  for (let at = 0; at < keys.length; at += 1_000) await store.addKeys(keys.slice(at, at + 1_000))
  for (let at = 0; at < keys.length / 2; at += 256)
    await store.noteUses(keys.slice(at, at + 256).map(({ id }, number) => ({ keyId: id, at: at + number })))
  const { schema, query } = postgres
  await query(`INSERT INTO ${schema}.owners
    SELECT 'owner ' || n, 1, '[]', 1, 1, -n, '' FROM generate_series(1, 5000) AS n`)
  await query(`INSERT INTO ${schema}.answers
    SELECT 'answer ' || n, 'request', '', 10000 + n, '' FROM generate_series(1, 5000) AS n`)
  for (const table of ['keys', 'owners', 'answers', 'imported_digests'])
    await query(`ANALYZE ${schema}.${table}`)
}, 120_000)
afterAll(async () => {
  await store.close()
  await postgres.close()
  await deployment.drop()
})

/** The same, with a note of what is asked. */
function recorded(its: Postgres): Postgres {
  const noting =
    (query: Query): Query =>
    (text, values) => {
      asked.push({ text, values })
      return query(text, values)
    }
  return {
    ...its,
    query: noting(its.query),
    transaction: (run, mode) => its.transaction((query) => run(noting(query)), mode),
  }
}

interface Plan {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly Plans?: readonly Plan[]
}

/** Steps of a plan that read a whole table; that of the counter has one row. */
function costly(plan: Plan): readonly string[] {
  const { 'Node Type': type, 'Relation Name': relation, Plans: plans = [] } = plan
  const isWhole = type === 'Seq Scan' && relation !== 'changes'
  return [...(isWhole ? [`${type} on ${relation}`] : []), ...plans.flatMap(costly)]
}

async function explain({ text, values }: Asked): Promise<Plan> {
  const [row] = await postgres.query<{ readonly 'QUERY PLAN': readonly { readonly Plan: Plan }[] }>(
    `EXPLAIN (FORMAT JSON) ${text}`,
    values,
  )
  const plan = row?.['QUERY PLAN'][0]?.Plan
  if (plan === undefined) throw new Error('no plan')
  return plan
}

async function wholeScansOf(work: () => Promise<unknown>): Promise<readonly string[]> {
  asked = []
  await work()
  const found: string[] = []
  for (const one of asked) for (const step of costly(await explain(one))) found.push(`${step}: ${one.text}`)
  expect(asked.length).toBeGreaterThan(0)
  return found
}

const key = keys[12_000] ?? keyOf('')
const next = () => store.readChanges(undefined).then(({ cursor }) => cursor)

test.each<readonly [string, () => Promise<unknown>]>([
  ['finding a key', () => store.findKey(key.id)],
  ['finding an imported key', () => store.findImportedKey([digestOf('none'), digestOf(key.id)])],
  ['finding an owner', () => store.findOwner('none')],
  ['finding an answer', () => store.findAnswer('none', 0)],
  ['asking for changes', async () => store.readChanges((await next()) - 2)],
  ['asking for changes where there are none', async () => store.readChanges(await next())],
  [
    'noting uses',
    () =>
      store.noteUses([
        { keyId: key.id, at: 20_000 },
        { keyId: 'none', at: 1 },
      ]),
  ],
  ['adding keys', () => store.addKeys([keyOf('new', { imported: true })], answerOf('new'))],
  ['replacing a key', () => store.replaceKey({ ...key, version: 2 }, answerOf('replaced'))],
])('%s reads no table whole', async (_what, work) => {
  expect(await wholeScansOf(work)).toEqual([])
})

test.each(keySorts)(
  'a page sorted by %s walks an index, either way, from its beginning and from a place',
  async (sort) => {
    for (const descending of [false, true]) {
      const query = { sort, descending, limit: 20 }
      asked = []
      const { keys: page } = await store.listKeys(query)
      const last = page.at(-1) ?? key
      const place = { value: sortValue(last, sort), id: last.id }
      const undated = { value: null, id: idOf(9_000) }
      await store.listKeys({ ...query, after: place })
      if (sort === 'expires_at' || sort === 'last_used_at') await store.listKeys({ ...query, after: undated })
      for (const one of asked) {
        const plan = await explain(one)
        expect([...costly(plan), ...sortsOf(plan)], one.text).toEqual([])
      }
    }
  },
)

test('a page of an owner’s keys, and of owners, reads no table whole', async () => {
  const query = { sort: 'name', descending: false, limit: 20 } as const
  expect(await wholeScansOf(() => store.listKeys({ ...query, owner: 'owner 7' }))).toEqual([])
  // Their rows have no MACs: only the plan counts.
  const owners = () => store.listOwners({ limit: 20, after: 'owner 7' }).catch(() => undefined)
  expect(await wholeScansOf(owners)).toEqual([])
})

function sortsOf({ 'Node Type': type, Plans: plans = [] }: Plan): readonly string[] {
  return [...(type.includes('Sort') ? [type] : []), ...plans.flatMap(sortsOf)]
}
