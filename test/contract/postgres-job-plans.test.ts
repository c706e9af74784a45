import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { processScheduler } from '../../src/core/scheduler.ts'
import type { JobStore } from '../../src/storage/job-store.ts'
import { openPostgresJobStore } from '../../src/storage/postgres/jobs/job-store.ts'
import type { Postgres } from '../../src/storage/postgres/postgres.ts'
import { openTestSchema, type TestSchema } from '../support/services.ts'
import {
  answered,
  askOf,
  claim,
  jobBegin,
  jobId,
  jobOf,
  keepMs,
  leaseMs,
  reservationOf,
  reservedAnswerOf,
  settle,
  submit,
  succeeded,
  wide,
} from './job-fixtures.ts'
import { macs } from './row-macs.ts'

/** A step of a plan as `auto_explain` writes it, with what came of it. */
interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly Plans?: readonly PlanNode[]
}

/** More than any of these calls has to read, and a hundredth of what there is. */
const readMax = 300
const rows = 30_000

/** Rows that a step has read of a table. */
function readBy(node: PlanNode): number {
  const each = node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)
  return node['Relation Name'] === undefined ? 0 : each * node['Actual Loops']
}

function stepsOf(node: PlanNode): readonly PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(stepsOf)]
}

/** A store on one connection, which says what each statement reads, those within functions too. */
async function openExplained(
  schema: TestSchema,
): Promise<{ readonly store: JobStore; readonly client: pg.Client; readonly steps: PlanNode[] }> {
  const client = new pg.Client({ connectionString: schema.url.split('?')[0] ?? '' })
  await client.connect()
  client.setTypeParser(20, Number)
  const steps: PlanNode[] = []
  client.on('notice', ({ message = '' }) => {
    const plan = /plan:\s*(\{.*)/s.exec(message)?.[1]
    if (plan !== undefined) steps.push(...stepsOf((JSON.parse(plan) as { Plan: PlanNode }).Plan))
  })
  const postgres: Postgres = {
    schema: `"${schema.schema}"`,
    name: 'explained',
    query: async (text, values) => (await client.query(text, values && [...values])).rows,
    transaction: () => Promise.reject(new Error('not used')),
    close: () => client.end(),
  }
  const store = await openPostgresJobStore({
    ...{ postgres, macs: believing, url: schema.url, node: 'a', scheduler: quiet },
  })
  return { store, client, steps }
}

/** Rows of these tests are written by SQL. */
const believing = { ...macs, isOf: () => true }
const quiet = { ...processScheduler, after: () => () => {} }

async function fill(client: pg.Client, schema: string): Promise<void> {
  const owner = `'owner ' || n % 500`
  await client.query(`
    INSERT INTO ${schema}.jobs (id, owner, key_id, model, kind, total, priority, attempts_max, webhook, created_at,
      characters, pieces, status, version, done, errors, attempts, started_at, finished_at, expires_at, held_by,
      is_ready, due_at, bytes, answer_bytes, answer_values, inputs_hash, mac)
    SELECT 'job_' || lpad((n + 100000)::text, 22, '0'), ${owner}, 'k', 'model ' || n % 3, 'single', 1, n % 10, 3,
      'https://example.com/', ${jobBegin} - n, 5, 1, s.status, 1, 0, 0, 0, 1,
      CASE WHEN s.ended THEN ${jobBegin} - n END, CASE WHEN s.ended THEN ${jobBegin} + n END,
      CASE WHEN s.status = 'running' THEN 'lease ' || n END, s.status = 'queued' AND n % 2 = 0,
      CASE WHEN s.status = 'queued' AND n % 2 = 1 OR s.status = 'running' THEN ${jobBegin} + ${leaseMs} + n END,
      1024, 0, 0, sha256('["a"]'), 'mac'
    FROM generate_series(1, ${rows}) AS n CROSS JOIN LATERAL (
      SELECT status, status NOT IN ('queued', 'running') AS ended
      FROM (SELECT (ARRAY['queued', 'queued', 'queued', 'succeeded', 'failed', 'cancelled', 'dead'])[n % 7 + 1] AS q) AS q
      CROSS JOIN LATERAL (SELECT CASE WHEN n <= 100 THEN 'running' ELSE q END AS status) AS r
    ) AS s;
    INSERT INTO ${schema}.job_inputs SELECT place, 0, '["a"]' FROM ${schema}.jobs;
    INSERT INTO ${schema}.turns SELECT owner, model, min(place), bool_or(is_ready) FROM ${schema}.jobs GROUP BY 1, 2;
    INSERT INTO ${schema}.job_owners SELECT owner, count(*), 2 * sum(bytes) FROM ${schema}.jobs GROUP BY 1;
    INSERT INTO ${schema}.kept_answers SELECT 'answer ' || n, ${owner}, 'd', 'h' || n, NULL, ${jobBegin} + n, 1024, 'mac'
      FROM generate_series(1, ${rows}) AS n;
    INSERT INTO ${schema}.deliveries (id, job_id, owner, url, job, status, attempts, due_at, created_at, bytes, mac)
      SELECT 'msg_' || n, 'job_' || n / 2, ${owner}, 'u', '{}', CASE WHEN n % 2 = 0 THEN 'waiting' ELSE 'failed' END, 0,
        CASE WHEN n % 2 = 0 THEN ${jobBegin} + n END, 1, 1024, 'mac' FROM generate_series(1, ${rows}) AS n;
    INSERT INTO ${schema}.delivery_turns SELECT owner, min(due_at) FROM ${schema}.deliveries GROUP BY 1;
    INSERT INTO ${schema}.webhook_secrets (owner, sealed, created_at, mac) SELECT ${owner}, '', 1, 'mac'
      FROM generate_series(1, 500) AS n;`)
}

/** Each call once; with rows to be found by all of them. */
async function callAll(store: JobStore): Promise<void> {
  const ask = askOf({ models: ['model 0', 'model 1', 'sentiment'], max: 16 })
  await submit(store, jobOf(1, { webhook: 'https://example.com/' }), jobOf(2), jobOf(3, { owner: 'owner 1' }))
  await store.claim(ask)
  await store.claim({ ...ask, now: jobBegin + leaseMs + 20 })
  await store.claim({ ...ask, max: 0 })
  const jobs = await claim(store, { max: 3 })
  await store.extend(
    jobs.map((job) => ({ ...job, answers: answered('1') })),
    jobBegin + leaseMs,
    wide,
  )
  for (const job of jobs) await settle(store, job, succeeded)
  await submit(store, jobOf(4), jobOf(5))
  await store.cancel({ id: jobId(4) }, jobBegin, keepMs)
  await store.retry({ id: jobId(100_005) }, jobBegin)
  await store.findJob({ id: jobId(1) }, jobBegin)
  await store.countJobs()
  for (const owner of [undefined, 'owner 7'])
    for (const status of [undefined, 'dead', 'queued'] as const)
      await store.listJobs({
        owner,
        status,
        limit: 10,
        now: jobBegin,
        after: { createdAt: jobBegin - 50, id: '' },
      })
  await store.listEnded({ limit: 10, after: { finishedAt: jobBegin - 50, id: '' } })
  await store.reserve(reservationOf(), jobBegin, wide)
  await store.storeAnswer(reservedAnswerOf())
  await store.reserve(reservationOf(), jobBegin + 2 * keepMs, wide)
  await store.release(reservationOf())
  await store.releaseLeft('nobody')
  const leases = { max: 4, ownerMax: 2, now: jobBegin + 50, until: jobBegin + leaseMs }
  const then = 'delivered'
  for (const { id, lease } of await store.claimDeliveries(leases)) {
    const result = { at: jobBegin, status: 200, reason: null }
    await store.settleDelivery({ id, lease: lease ?? '', result, then })
    await store.retryDelivery({ id }, jobBegin)
    await store.findDelivery({ id })
  }
  for (const query of [{}, { owner: 'owner 7' }, { jobId: jobId(1) }, { jobId: jobId(1), owner: 'acme' }])
    await store.listDeliveries({ limit: 10, ...query })
  await store.addWebhookSecret(
    { owner: 'owner 7', sealed: Buffer.from('a'), createdAt: 1, signsUntil: null },
    jobBegin,
  )
  await store.findWebhookSecrets('owner 7', jobBegin)
  await store.forgetExpired(jobBegin + 20, 20)
}

test.each(['empty when it is first asked', 'large from the beginning'])(
  'no call reads more rows than it needs, in tables that were %s',
  async (begin) => {
    const schema = await openTestSchema()
    onTestFinished(schema.drop)
    const { store, client, steps } = await openExplained(schema)
    onTestFinished(() => client.end())
    // A connection plans the statements of functions once, and would go on as with empty tables.
    if (begin.startsWith('empty')) for (let times = 0; times < 7; times += 1) await emptyRound(store, times)
    await fill(client, `"${schema.schema}"`)
    if (begin.startsWith('large')) await client.query('ANALYZE')
    await client.query(`LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_analyze = on;
      SET auto_explain.log_timing = off; SET auto_explain.log_nested_statements = on;
      SET auto_explain.log_format = json; SET client_min_messages = log`)
    await callAll(store)
    // What is set aside, and then deleted, no node wrote: these rows are believed.
    for (const mac of ['mac', ''])
      await client.query(
        `SELECT "${schema.schema}".set_aside_jobs('{5,6,7}', array_fill($1::bytea, '{3}'), 1)`,
        [Buffer.from(mac)],
      )
    expect(steps.length).toBeGreaterThan(300)
    const tables = new Set(steps.map((step) => step['Relation Name']))
    for (const table of ['jobs', 'turns', 'deliveries', 'kept_answers', 'job_owners', 'webhook_secrets'])
      expect(tables).toContain(table)
    expect(steps.filter((step) => readBy(step) > readMax)).toEqual([])
    // Which counts, of each state, as many as it says.
    steps.length = 0
    const { retrying, failed, dead } = await store.countStates()
    expect([retrying, failed, dead]).toEqual([1_000, 1_000, 1_000])
    expect(steps.length).toBeGreaterThan(3)
    expect(steps.filter((step) => readBy(step) > 1_100)).toEqual([])
  },
)

async function emptyRound(store: JobStore, number: number): Promise<void> {
  const job = jobOf(900 + number, { model: 'model 0' })
  await submit(store, job)
  for (const claimed of await claim(store, { models: ['model 0'] })) await settle(store, claimed, succeeded)
  await store.cancel({ id: job.id }, jobBegin, 0)
  await store.reserve(reservationOf({ id: `round ${number}` }), jobBegin, wide)
  await store.forgetExpired(jobBegin + keepMs, 100)
  await store.claimDeliveries({ max: 1, ownerMax: 1, now: jobBegin, until: jobBegin })
}
