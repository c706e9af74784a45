import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSqliteJobStore } from '../../src/storage/sqlite/jobs/job-store.ts'
import type { DeliveryView } from '../../src/webhooks/view.ts'
import { startProcess } from '../contract/child-process.ts'
import { jobBegin, jobOf, leaseMs, wide } from '../contract/job-fixtures.ts'
import { closeWebhooks, receiver, statuses } from '../support/open-webhooks.ts'
import { runCli, runError, runJson, type ServeProcess, startServe, temporaryFolder } from './run-cli.ts'

let folder: ReturnType<typeof temporaryFolder>
let data: string

beforeEach(() => {
  folder = temporaryFolder()
  data = join(folder.path, 'data')
})
afterEach(async () => {
  await closeWebhooks()
  folder[Symbol.dispose]()
})

const start = (): Promise<ServeProcess> =>
  startServe(data, [
    ...['--webhooks-allow', '127.0.0.1', '--webhooks-allow-http', 'true'],
    // How things stand is asked again and again.
    ...['--limit-operational', 'none'],
  ])

async function ask<T>(
  { address }: ServeProcess,
  method: string,
  path: string,
  key: string,
  body?: unknown,
): Promise<T> {
  const answer = await fetch(`${address}${path}`, {
    method,
    headers: { 'x-api-key': key, 'content-type': 'application/json', prefer: 'respond-async' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return (await answer.json()) as T
}

/** A key of `acme` and its secret. */
async function makeKey(server: ServeProcess): Promise<{ readonly key: string; readonly secret: string }> {
  const { admin } = JSON.parse(readFileSync(join(data, 'first-keys.json'), 'utf8')) as { admin: string }
  const asked = { name: 'acme', owner: 'acme', scopes: ['predict', 'webhooks'] }
  const { key } = await ask<{ key: string }>(server, 'POST', '/v1/keys', admin, asked)
  const { secret } = await ask<{ secret: string }>(server, 'POST', '/webhooks/secret', key)
  return { key, secret }
}

/** The newest delivery, as soon as it has ended: asks again until then. */
async function untilEnded(server: ServeProcess, key: string): Promise<DeliveryView> {
  for (;;) {
    const page = await ask<{ deliveries: DeliveryView[] }>(server, 'GET', '/webhooks/deliveries', key)
    const [delivery] = page.deliveries
    if (delivery !== undefined && delivery.status !== 'waiting') return delivery
  }
}

/** A delivery that was given up, of an owner who never had a secret. */
async function giveUpUnsigned(): Promise<string> {
  const store = await openSqliteJobStore({ file: join(data, 'jobs.db') })
  const job = jobOf(1, { webhook: 'https://example.com/hook' })
  await store.submit({ jobs: [job], bounds: wide })
  await store.cancel({ id: job.id }, jobBegin, 100 * 365 * 86_400_000)
  const until = jobBegin + leaseMs
  const [claimed] = await store.claimDeliveries({ max: 1, ownerMax: 1, now: jobBegin, until })
  const { id = '', lease } = claimed ?? {}
  const result = { at: jobBegin, status: null, reason: 'secret_missing' } as const
  const then = 'failed'
  await store.settleDelivery({ id, lease: lease ?? '', result, then })
  await store.close()
  return id
}

test('a message that was given up arrives when its owner asks for it again, and when an administrator does, under one id', async () => {
  const { url, got } = await receiver(statuses(410, 200))
  await using server = await start()
  const { key, secret } = await makeKey(server)
  await ask(server, 'POST', '/predict', key, { text: 'I love this', webhook: url })
  const { id, ...failed } = await untilEnded(server, key)
  expect(failed).toMatchObject({ status: 'failed', attempts: 1, last_attempt: { status: 410 } })

  const retried = await ask<DeliveryView>(server, 'POST', `/webhooks/deliveries/${id}/retry`, key)
  expect(retried).toMatchObject({ id, status: 'waiting', attempts: 0 })
  expect(await untilEnded(server, key)).toMatchObject({ id, status: 'delivered', attempts: 1 })

  // From another process, which sends nothing itself.
  const again = await runCli(['webhooks', 'retry', id, '--data', data])
  expect(again).toMatchObject({ code: 0, stderr: '' })
  expect(again.stdout).toMatch(new RegExp(`^id +${id}\njob +job_`))
  expect(again.stdout).toMatch(/^status +waiting$/m)
  expect(await untilEnded(server, key)).toMatchObject({ id, status: 'delivered', attempts: 1 })
  const { stdout } = await runCli(['webhooks', 'deliveries', '--data', data])
  expect(stdout).toMatch(new RegExp(`^ID +JOB .*\n${id} +job_`))

  expect(got.map(({ headers }) => headers['webhook-id'])).toEqual([id, id, id])
  expect(new Set(got.map(({ body }) => body)).size).toBe(1)
  for (const { body, headers } of got)
    expect(new Webhook(secret).verify(body, headers)).toMatchObject({ type: 'job.succeeded' })
  const query = ['ledger', 'query', '--event', 'webhook.retried', '--data', data]
  const { records } = await runJson<{ records: { detail: object }[] }>(query)
  expect(records.map(({ detail }) => detail)).toMatchObject([
    { webhook: id, by: 'cli' },
    { webhook: id, by: key.split('_')[2] },
  ])
})

test('kill -9 after the answer and before the message: the next server sends it', async () => {
  const { url, got } = await receiver(statuses(410, 200))
  const first = await start()
  const { key, secret } = await makeKey(first)
  await ask(first, 'POST', '/predict', key, { text: 'I love this', webhook: url })
  const { id } = await untilEnded(first, key)
  first.child.kill('SIGKILL')
  await once(first.child, 'close')

  const asking = startProcess('retry-delivery', data, id)
  const [answer = ''] = await asking.waitForLines(1)
  expect(JSON.parse(answer)).toMatchObject({ id, status: 'waiting', attempts: 0 })
  await asking.kill()
  expect(got).toHaveLength(1)

  await using second = await start()
  expect(await untilEnded(second, key)).toMatchObject({ id, status: 'delivered', attempts: 1 })
  const [, message] = got
  expect(message?.headers['webhook-id']).toBe(id)
  new Webhook(secret).verify(message?.body ?? '', message?.headers ?? {})
})

test('the command line refuses as `jobs retry` does: an id that is not there, one that cannot be, no secret', async () => {
  await runJson(['keys', 'create', '--name', 'n', '--data', data])
  const missing = await runError(['webhooks', 'retry', `msg_${'0'.repeat(22)}`, '--data', data])
  expect([missing.code, missing.error.code]).toEqual([1, 'delivery_not_found'])
  for (const id of ['msg_1', 'job_0000000000000000000000', '']) {
    const mistyped = await runError(['webhooks', 'retry', id, '--data', data])
    expect([mistyped.code, mistyped.error.code]).toEqual([2, 'usage_invalid'])
  }
  const unsigned = await runError(['webhooks', 'retry', await giveUpUnsigned(), '--data', data])
  expect([unsigned.code, unsigned.error.code]).toEqual([2, 'input_invalid'])
  expect(unsigned.error.message).toMatch(/^id: There is no secret.*`modelward webhooks secret`$/)
})
