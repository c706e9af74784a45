import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readRecords } from '../reliability/kill-fleet.ts'
import { openDatabaseProxy } from '../support/database-proxy.ts'
import { databaseUrl, redisUrl } from '../support/services.ts'
import { ask, healthStatus, type Node, readyStatus, until } from './ask-node.ts'
import { openTestFleet, predict } from './open-fleet.ts'
import { type ServeProcess, startServer, temporaryFolder } from './run-cli.ts'

/** A model that says who it is, once a file is there. */
const modelText = (name: string, file: string): string => `
import { existsSync } from 'node:fs'
export const model = {
  name: 'who', version: 'who-1', runs: 'inline',
  async predict(texts) {
    // A process of its own: a file is how the test reaches it.
    while (!existsSync(${JSON.stringify(file)})) await new Promise((resolve) => setTimeout(resolve, 20))
    return texts.map(() => ${JSON.stringify(name)})
  },
}
`

interface Job {
  readonly status: string
  readonly result?: unknown
}

async function readJob({ address }: Node, id: string, key: string, query = ''): Promise<Job> {
  const answer = await fetch(`${address}/jobs/${id}${query}`, { headers: { 'x-api-key': key } })
  return (await answer.json()) as Job
}

test('a node that is cut off from both stores answers 503, its job is done by another, and what it says of it is refused', async () => {
  using folder = temporaryFolder()
  const released = join(folder.path, 'released')
  const models = ['cut-off', 'other'].map((name) => {
    const path = join(folder.path, `${name}.mjs`)
    writeFileSync(path, modelText(name, name === 'other' ? path : released))
    return path
  })
  await using postgres = await openDatabaseProxy(await databaseUrl())
  await using redis = await openDatabaseProxy(await redisUrl())
  await using fleet = await openTestFleet()
  const start = (model: string | undefined, env = fleet.env): Promise<ServeProcess> =>
    startServer(['--model', model ?? '', '--limit-default', 'none', '--job-lease', '5s'], { env })
  const cutOffUrl = new URL(fleet.env['MODELWARD_DATABASE_URL'] ?? '')
  cutOffUrl.port = new URL(postgres.url).port
  await using cutOff = await start(models[0], {
    ...fleet.env,
    MODELWARD_DATABASE_URL: cutOffUrl.href,
    MODELWARD_REDIS_URL: redis.url,
  })
  const { key, id: keyId } = await fleet.createKey()
  const limited = (await fleet.createKey('--limit', '100/min')).key
  const accepted = await predict(cutOff, key, { prefer: 'respond-async' })
  const { id } = (await accepted.json()) as { readonly id: string }
  await expect.poll(async () => (await readJob(cutOff, id, key)).status).toBe('running')
  postgres.freeze()
  redis.freeze()
  // With its lease a node also loses what it believes of keys, whatever they are limited to.
  for (const each of [key, limited]) {
    await until(cutOff, each, { status: 503 })
    expect((await ask(cutOff, each)).ms).toBeLessThan(4_000)
  }
  expect([await healthStatus(cutOff), await readyStatus(cutOff)]).toEqual([200, 503])
  await using other = await start(models[1])
  expect(await readJob(other, id, key, '?wait=50')).toMatchObject({
    status: 'succeeded',
    result: { output: 'other' },
  })
  writeFileSync(released, '')
  postgres.thaw()
  redis.thaw()
  for (const each of [key, limited]) await until(cutOff, each, { status: 200 })
  // It was refused before this one is taken: one worker each.
  const again = await predict(cutOff, key, { prefer: 'respond-async' })
  const { id: next } = (await again.json()) as { readonly id: string }
  expect(await readJob(cutOff, next, key, '?wait=50')).toMatchObject({ status: 'succeeded' })
  for (const node of [cutOff, other])
    expect(await readJob(node, id, key)).toMatchObject({ result: { output: 'other' } })
  const { finished } = await readRecords(fleet, keyId)
  expect(finished.get(id)).toBe(1)
  expect(await fleet.run('ledger', 'verify')).toMatchObject({ ok: true })
})
