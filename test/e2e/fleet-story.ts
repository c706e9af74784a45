import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { drawPepper } from '../../src/secrets/peppers.ts'
import { predict, type TestFleet } from './open-fleet.ts'
import { runCli, runError, type ServeProcess } from './run-cli.ts'

interface Nodes {
  readonly nodes: readonly { readonly id: string; readonly live: boolean }[]
}

interface Doctor {
  readonly ok: boolean
  readonly checks: readonly { readonly check: string; readonly status: string; readonly message: string }[]
}

/** What two nodes promise as one deployment, whatever stands between them and their stores. */
export function describeFleetStory(title: string, open: () => Promise<TestFleet>): void {
  describe(title, () => {
    let fleet: TestFleet
    /** Runs no jobs. */
    let first: ServeProcess
    let second: ServeProcess
    beforeAll(async () => {
      fleet = await open()
      first = await fleet.start('--job-workers', '0')
      second = await fleet.start()
    })
    afterAll(async () => {
      await first?.[Symbol.asyncDispose]()
      await second?.[Symbol.asyncDispose]()
      await fleet?.[Symbol.asyncDispose]()
    })

    test('a key that one makes works on both, and one that is revoked works on neither', async () => {
      const admin = await fleet.createKey('--scope', 'admin')
      const headers = { 'x-api-key': admin.key, 'content-type': 'application/json' }
      const made = await fetch(`${first.address}/v1/keys`, {
        method: 'POST',
        headers,
        body: '{"name":"app"}',
      })
      expect(made.status).toBe(201)
      const { id, key } = (await made.json()) as { id: string; key: string }
      for (const node of [first, second]) expect((await predict(node, key)).status).toBe(200)
      const revoked = await fetch(`${second.address}/v1/keys/${id}/revoke`, { method: 'POST', headers })
      expect(revoked.status).toBe(200)
      expect((await predict(second, key)).status).toBe(403)
      await expect.poll(async () => (await predict(first, key)).status, { interval: 5 }).toBe(403)
    })

    test('a limit counts what both admit', async () => {
      const { key } = await fleet.createKey('--limit', '10/min')
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, index) => predict(index % 2 === 0 ? first : second, key)),
      )
      const statuses = answers.map(({ status }) => status).sort()
      expect(statuses).toEqual([...Array(10).fill(200), ...Array(30).fill(429)])
      expect(answers.find(({ status }) => status === 429)?.headers.get('retry-after')).toMatch(/^[1-6]?\d$/)
    })

    test('a job that one accepts and the other runs is followed on the first, and its answer is one', async () => {
      const { key } = await fleet.createKey('--limit', 'none')
      const headers = { 'x-api-key': key, prefer: 'respond-async', 'idempotency-key': 'once' }
      const accepted = await predict(first, key, headers)
      expect(accepted.status).toBe(202)
      const { id } = (await accepted.json()) as { id: string }
      const events = await fetch(`${first.address}/jobs/${id}/events`, { headers: { 'x-api-key': key } })
      expect(await events.text()).toContain('"status":"succeeded"')
      const shown = await fetch(`${first.address}/jobs/${id}?wait=30`, { headers: { 'x-api-key': key } })
      expect(await shown.json()).toMatchObject({ id, status: 'succeeded' })
      const again = await predict(second, key, headers)
      expect(again.status).toBe(202)
      expect(await again.json()).toMatchObject({ id })
    })

    test('the command line sees and resets what both have counted', async () => {
      const { id, key } = await fleet.createKey('--limit', '3/min', '--limit', '100/day')
      for (const node of [first, second, first]) expect((await predict(node, key)).status).toBe(200)
      const explained = await fleet.run<object>('limits', 'explain', id)
      expect(explained).toMatchObject({ would_pass: false, counted_by: 'fleet', refused_by: ['key: 3/min'] })
      await fleet.run('limits', 'reset', id)
      for (const node of [second, first]) expect((await predict(node, key)).status).toBe(200)
    })

    test('usage and records of both come from one query', async () => {
      const { id, key } = await fleet.createKey('--limit', 'none')
      for (const node of [first, second, first]) expect((await predict(node, key)).status).toBe(200)
      const { usage } = await fleet.run<{ usage: readonly { requests: number }[] }>('usage', '--key', id)
      expect(usage).toMatchObject([{ requests: 3 }])
      const { records } = await fleet.run<{ records: readonly { stream: string }[] }>(
        ...['ledger', 'query', '--key', id, '--event', 'request.admitted'],
      )
      expect(records).toHaveLength(3)
      expect(new Set(records.map(({ stream }) => stream)).size).toBe(2)
      expect(await fleet.run('ledger', 'verify')).toMatchObject({ ok: true })
    })

    test('each is a node that administrators see', async () => {
      const { nodes } = await fleet.run<Nodes>('nodes', 'list')
      expect(nodes.filter(({ live }) => live)).toHaveLength(2)
      const { key } = await fleet.createKey('--scope', 'admin')
      const answer = await fetch(`${first.address}/v1/nodes`, { headers: { 'x-api-key': key } })
      const shown = (await answer.json()) as Nodes
      expect(shown.nodes.map(({ id }) => id)).toEqual(nodes.map(({ id }) => id))
      const other = await fleet.createKey()
      const refused = await fetch(`${first.address}/v1/nodes`, { headers: { 'x-api-key': other.key } })
      expect(refused.status).toBe(403)
    })

    test('doctor finds it in order, and names a pepper that is not the fleet’s', async () => {
      const { ok, checks } = await fleet.run<Doctor>('doctor', '--port', '0')
      expect(checks.filter(({ status }) => status === 'fail')).toEqual([])
      expect(ok).toBe(true)
      expect(checks.find(({ check }) => check === 'nodes')?.message).toBe('2 live')
      const env = { ...fleet.env, MODELWARD_PEPPER: drawPepper(1) }
      const wrong = await runCli(['doctor', '--json', '--port', '0'], { env })
      expect(wrong.code).toBe(1)
      const found = (JSON.parse(wrong.stdout) as Doctor).checks.filter(({ status }) => status === 'fail')
      expect(found.map(({ check }) => check)).toEqual(['keys'])
      const started = await runError(['serve', '--port', '0'], { env })
      expect(started).toMatchObject({ code: 3, error: { code: 'pepper_mismatch' } })
    })

    test('no password and no secret is in a log, in what is explained or in the process', async () => {
      const { env } = fleet
      const secrets = [
        ...[env['MODELWARD_DATABASE_URL'], env['MODELWARD_REDIS_URL']].map(
          (url) => new URL(url ?? '').password,
        ),
        env['MODELWARD_PEPPER']?.slice(2) ?? '',
        env['MODELWARD_SIGNING_KEY'] ?? '',
      ]
      expect(secrets.every((secret) => secret.length >= 20)).toBe(true)
      const explained = await runCli(['config', 'explain', '--json'], { env })
      const doctor = await runCli(['doctor', '--json'], { env })
      const stranger = new URL(env['MODELWARD_DATABASE_URL'] ?? '')
      stranger.username = 'other'
      const wrong = await runCli(['keys', 'list'], {
        env: { ...env, MODELWARD_DATABASE_URL: stranger.href },
      })
      const places = [
        first.log(),
        first.output(),
        second.log(),
        ...Object.values({ explained, doctor, wrong }),
      ]
      for (const place of places)
        for (const secret of secrets) expect(JSON.stringify(place)).not.toContain(secret)
      expect(wrong.code).toBe(3)
      expect(wrong.stderr).toMatch(/the (user or the )?password is wrong/)
    })
  })
}
