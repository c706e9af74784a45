import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { JobRequest } from '../../src/jobs/job-service.ts'
import type { JobView } from '../../src/jobs/view-job.ts'
import type { JobModel } from '../../src/jobs/worker/ask-model.ts'
import type { WardJobsOptions } from '../../src/ward/jobs-options.ts'
import { openModelward } from '../../src/ward/open-modelward.ts'
import type { Ward } from '../../src/ward/ward.ts'
import { runCli, runError, runJson, startServe, temporaryFolder } from './run-cli.ts'

interface Page {
  readonly jobs: readonly JobView[]
  readonly next: string | null
}

const nobody = 'job_0000000000000000000000'

let folder: ReturnType<typeof temporaryFolder>
let ward: Ward | undefined

beforeEach(() => {
  folder = temporaryFolder()
})

afterEach(async () => {
  await ward?.jobs?.close({ graceMs: 0 })
  await ward?.close()
  ward = undefined
  folder[Symbol.dispose]()
})

/**
 * A process of its own as far as the command line can tell: it has the folder open, works, and
 * never restarts.
 */
async function open(
  jobs: Partial<WardJobsOptions> = {},
): Promise<(request?: Partial<JobRequest>) => Promise<JobView>> {
  const opened = await openModelward({
    data: folder.path,
    jobs: { models: new Map([['echo', echo]]), ...jobs },
  })
  ward = opened
  return async (request = {}) => {
    const submitted = await opened.jobs.submit({
      ...{ owner: 'acme', keyId: 'key000000001', model: 'echo', kind: 'single', inputs: ['a'] },
      ...request,
    })
    return submitted.job
  }
}

const echo: JobModel = { batchMax: 8, predict: (inputs) => inputs }

const jobs = <T = JobView>(...args: readonly string[]): Promise<T> =>
  runJson<T>(['jobs', ...args, '--data', folder.path])

const ended = (id: string): Promise<JobView | undefined> =>
  Promise.resolve(ward?.jobs?.get('acme', id, { waitMs: 30_000 }))

async function recordsOf(event: string): Promise<readonly { readonly detail: Record<string, unknown> }[]> {
  const query = ['ledger', 'query', '--event', event, '--data', folder.path]
  return (await runJson<{ records: { detail: Record<string, unknown> }[] }>(query)).records
}

describe('jobs list', () => {
  test('gives the newest first, page after page, of one owner or status where that is asked', async () => {
    const submit = await open({ concurrency: 0 })
    const ids: string[] = []
    for (const owner of ['acme', 'acme', 'other']) ids.unshift((await submit({ owner })).id)
    const first = await jobs<Page>('list', '--limit', '2')
    const second = await jobs<Page>('list', '--limit', '2', '--after', first.next ?? '')
    expect([first, second].map((page) => page.jobs.length)).toEqual([2, 1])
    // Several may have been made in one millisecond.
    expect(new Set([...first.jobs, ...second.jobs].map(({ id }) => id))).toEqual(new Set(ids))
    expect(second.next).toBeNull()
    const ofOther = await jobs<Page>('list', '--owner', 'other', '--status', 'queued')
    expect(ofOther.jobs).toMatchObject([
      {
        id: ids[0],
        owner: 'other',
        key_id: 'key000000001',
        status: 'queued',
        progress: { done: 0, total: 1 },
      },
    ])
    expect(await jobs<Page>('list', '--status', 'dead')).toEqual({ jobs: [], next: null })
    const { stdout, stderr } = await runCli(['jobs', 'list', '--limit', '2', '--data', folder.path])
    expect(stdout).toMatch(/^ID +OWNER +STATUS +MODEL +DONE +TRIES +ERROR +CREATED\njob_/)
    expect(stderr).toBe(`More follow: --after ${first.next}\n`)
  })

  test('says so without any, and makes no folder', async () => {
    await runJson(['keys', 'create', '--name', 'n', '--data', folder.path])
    expect(await runCli(['jobs', 'list', '--data', folder.path])).toEqual({
      ...{ code: 0, stdout: '', stderr: 'No jobs.\n' },
    })
    const missing = await runError(['jobs', 'list', '--data', join(folder.path, 'none')])
    expect([missing.code, missing.error.code]).toEqual([3, 'data_missing'])
  })
})

describe('jobs cancel', () => {
  test('ends work that is under way in another process, within about a second, and is recorded', async () => {
    const begun = Promise.withResolvers<AbortSignal>()
    const predict: JobModel['predict'] = (_inputs, { signal }) => {
      begun.resolve(signal)
      return new Promise(() => {})
    }
    const submit = await open({ models: new Map([['slow', { batchMax: 1, predict }]]) })
    const { id } = await submit({ model: 'slow' })
    const signal = await begun.promise
    expect(await jobs('show', id)).toMatchObject({ status: 'running', owner: 'acme', attempts: 1 })
    const aborted = once(signal, 'abort')
    expect(await jobs('cancel', id)).toMatchObject({ id, status: 'cancelled' })
    const cancelledAt = performance.now()
    await aborted
    // A beat a second, and as much again for a busy machine.
    expect(performance.now() - cancelledAt).toBeLessThan(2_000)
    // Once more changes nothing, and is no change to record.
    expect(await jobs('cancel', id)).toMatchObject({ status: 'cancelled' })
    expect(await recordsOf('job.cancelled')).toMatchObject([{ detail: { job: id, by: 'cli' } }])
  })
})

describe('beside a server', () => {
  test('a job is cancelled while it runs, and the worker is free for the next', async () => {
    const model = join(folder.path, 'endless.mjs')
    const source = `export const model = { name: 'endless', version: '1', runs: 'inline', deadlineMs: 3_600_000,
      predict: ([text]) => text === 'quick' ? ['done'] : new Promise(() => {}) }`
    writeFileSync(model, source)
    const data = join(folder.path, 'data')
    await using server = await startServe(data, ['--model', model, '--job-workers', '1'])
    const { demo } = JSON.parse(readFileSync(join(data, 'first-keys.json'), 'utf8')) as {
      readonly demo: string
    }
    const submit = async (text: string): Promise<string> => {
      const answer = await fetch(`${server.address}/predict`, {
        method: 'POST',
        headers: { 'x-api-key': demo, 'content-type': 'application/json', prefer: 'respond-async' },
        body: JSON.stringify({ text }),
      })
      expect(answer.status).toBe(202)
      return ((await answer.json()) as JobView).id
    }
    const endless = await submit('endless')
    const quick = await submit('quick')
    const run = ['--data', data]
    const { jobs: page } = await runJson<Page>(['jobs', 'list', ...run])
    expect(page.map(({ id }) => id).toSorted()).toEqual([endless, quick].toSorted())
    expect(await runJson(['jobs', 'show', endless, ...run])).toMatchObject({ status: 'running' })
    expect(await runJson(['jobs', 'cancel', endless, ...run])).toMatchObject({ status: 'cancelled' })
    const ended = await fetch(`${server.address}/jobs/${quick}?wait=30`, { headers: { 'x-api-key': demo } })
    expect(await ended.json()).toMatchObject({
      status: 'succeeded',
      result: { text: 'quick', output: 'done' },
    })
  })
})

describe('jobs retry', () => {
  test('has a dead job worked on again by the process that runs, and is recorded', async () => {
    let isBroken = true
    const predict: JobModel['predict'] = (inputs) => {
      if (isBroken) throw new Error('out of memory')
      return inputs
    }
    const submit = await open({ attemptsMax: 1, models: new Map([['shaky', { batchMax: 1, predict }]]) })
    const { id } = await submit({ model: 'shaky', inputs: [{ n: 1 }] })
    expect(await ended(id)).toMatchObject({ status: 'dead' })
    expect(await jobs('show', id)).toMatchObject({
      status: 'dead',
      error: { code: 'model_failed' },
      result: null,
    })
    isBroken = false
    expect(await jobs('retry', id)).toMatchObject({ id, status: 'queued', error: null })
    expect(await ended(id)).toMatchObject({ status: 'succeeded' })
    const { stdout } = await runCli(['jobs', 'show', id, '--data', folder.path])
    expect(stdout).toMatch(/^owner +acme$/m)
    expect(stdout).toMatch(/^result +\{"n":1\}$/m)
    // One that has succeeded stays so.
    expect(await jobs('retry', id)).toMatchObject({ status: 'succeeded', result: { n: 1 } })
    expect(await recordsOf('job.retried')).toMatchObject([{ detail: { job: id, by: 'cli' } }])
  })
})

describe('what cannot be done', () => {
  // Nothing is changed in it.
  const same = temporaryFolder()
  beforeAll(async () => {
    await runJson(['keys', 'create', '--name', 'n', '--data', same.path])
  })
  afterAll(() => same[Symbol.dispose]())

  test.each([
    [['jobs', 'show', nobody], 1, 'job_not_found'],
    [['jobs', 'cancel', nobody], 1, 'job_not_found'],
    [['jobs', 'retry', nobody], 1, 'job_not_found'],
    [['jobs', 'show', 'job_1'], 2, 'usage_invalid'],
    [['jobs', 'cancel'], 2, 'usage_invalid'],
    [['jobs', 'list', '--status', 'lost'], 2, 'usage_invalid'],
    [['jobs', 'list', '--after', 'x'], 2, 'usage_invalid'],
    [['jobs', 'list', '--limit', '0'], 2, 'usage_invalid'],
    [['webhooks', 'secret', 'acme', '--overlap', 'soon'], 2, 'usage_invalid'],
    [['webhooks', 'secret', 'acme', '--overlap', '31d'], 2, 'input_invalid'],
    [['webhooks', 'secret', 'a\nb'], 2, 'input_invalid'],
    [['webhooks', 'deliveries', '--job', 'x'], 2, 'usage_invalid'],
  ])('%j ends with %i, %s', async (args, code, error) => {
    const reported = await runError([...args, '--data', same.path])
    expect([reported.code, reported.error.code]).toEqual([code, error])
  })
})

describe('webhooks secret', () => {
  test('prints a secret once; it lies nowhere in the clear, and the record names no more than its owner', async () => {
    await runJson(['keys', 'create', '--name', 'n', '--data', folder.path])
    const made = await runCli(['webhooks', 'secret', 'acme', '--data', folder.path])
    expect(made.stdout).toMatch(/^whsec_[A-Za-z0-9+/]{43}=\n$/)
    expect(made.stderr).toMatch(/only time it is shown/)
    const next = await runJson<{ owner: string; secret: string }>([
      ...['webhooks', 'secret', 'acme', '--overlap', '1h', '--data', folder.path],
    ])
    expect(next).toEqual({ owner: 'acme', secret: expect.stringMatching(/^whsec_/) })
    expect(next.secret).not.toBe(made.stdout.trim())
    expect(await recordsOf('webhook.secret_rotated')).toMatchObject([
      { owner: 'acme', detail: { by: 'cli', overlap_ms: 3_600_000 } },
      { owner: 'acme', detail: { by: 'cli', overlap_ms: 86_400_000 } },
    ])
    const bytes = Buffer.from(next.secret.slice('whsec_'.length), 'base64')
    for (const name of readdirSync(folder.path)) {
      const content = readFileSync(join(folder.path, name))
      expect([name, content.includes(bytes), content.includes(next.secret)]).toEqual([name, false, false])
    }
  })
})

describe('webhooks deliveries', () => {
  test('tells where each message stands, and keeps the query of its URL to itself', async () => {
    const receiver = createServer((_request, response) => response.writeHead(204).end())
    await once(receiver.listen(0, '127.0.0.1'), 'listening')
    const { port } = receiver.address() as AddressInfo
    try {
      const submit = await open({ webhooks: { allow: ['127.0.0.1'], allowHttp: true } })
      await runJson(['webhooks', 'secret', 'acme', '--data', folder.path])
      const received = once(receiver, 'request')
      const { id } = await submit({ webhook: `http://127.0.0.1:${port}/in?token=hush` })
      await received
      // What became of it is written down before the sender ends.
      await ward?.close()
      const list = ['webhooks', 'deliveries', '--data', folder.path]
      expect(await runJson([...list, '--job', id, '--owner', 'acme'])).toMatchObject({
        deliveries: [
          {
            job: id,
            owner: 'acme',
            url: `http://127.0.0.1:${port}/in?…`,
            status: 'delivered',
            attempts: 1,
            next_attempt_at: null,
            last_attempt: { status: 204, reason: null },
          },
        ],
      })
      expect(await runJson([...list, '--owner', 'other'])).toEqual({ deliveries: [] })
      expect((await runCli(list)).stdout).toMatch(
        new RegExp(`^msg_\\w{22} +${id} +acme +delivered +1 +204 `, 'm'),
      )
    } finally {
      receiver.close()
    }
  })
})

describe('doctor', () => {
  async function checkJobs(): Promise<{ readonly status: string; readonly message: string } | undefined> {
    const { stdout } = await runCli(['doctor', '--port', '0', '--json', '--data', folder.path])
    const { checks } = JSON.parse(stdout) as { checks: { check: string; status: string; message: string }[] }
    return checks.find(({ check }) => check === 'jobs')
  }

  test('looks at the jobs: none, some, a file that is no database', async () => {
    await runJson(['keys', 'create', '--name', 'n', '--data', folder.path])
    expect(await checkJobs()).toMatchObject({ status: 'ok', message: 'none yet' })
    const submit = await open({ concurrency: 0 })
    await submit()
    expect(await checkJobs()).toMatchObject({
      status: 'ok',
      message: expect.stringMatching(/^whole, version \d+, 1 waiting, 0 running, 0 dead$/),
    })
    await ward?.close()
    writeFileSync(
      join(folder.path, 'jobs.db'),
      'no database, and long enough to be looked at as one'.repeat(50),
    )
    expect(await checkJobs()).toMatchObject({ status: 'fail' })
  })
})
