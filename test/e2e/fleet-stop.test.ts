import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startPostgres } from '../support/services.ts'
import { openTestFleet } from './open-fleet.ts'
import { temporaryFolder } from './run-cli.ts'

/** Never answers, and hears no signal; one that finds the file `go` beside it answers at once. */
const waitingModel = `import { existsSync } from 'node:fs'
const go = new URL('./go', import.meta.url)
export default {
  name: 'waiting', version: 'waiting-1', runs: 'inline',
  predict: (inputs) => existsSync(go) ? inputs.map(() => ({ done: true })) : new Promise(() => {}),
}
`

test('a node that is told to end while PostgreSQL is frozen ends by itself, and another ends its job', async () => {
  using folder = temporaryFolder()
  const model = join(folder.path, 'waiting.mjs')
  writeFileSync(model, waitingModel)
  await using postgres = await startPostgres()
  await using fleet = await openTestFleet({ databaseUrl: postgres.url })
  const { key } = await fleet.createKey()
  const args = ['--model', model, '--job-lease', '5s', '--shutdown-grace', '1s']
  const headers = { 'x-api-key': key, 'content-type': 'application/json', prefer: 'respond-async' }
  await using first = await fleet.start(...args)
  const body = JSON.stringify({ text: 'a' })
  const accepted = await fetch(`${first.address}/predict`, { method: 'POST', headers, body })
  expect(accepted.status).toBe(202)
  const { id } = (await accepted.json()) as { readonly id: string }
  const jobOn = async ({ address }: { readonly address: string }): Promise<unknown> =>
    (await fetch(`${address}/jobs/${id}`, { headers })).json()
  await expect.poll(() => jobOn(first), { timeout: 20_000 }).toMatchObject({ status: 'running' })

  postgres.freeze()
  const ended = once(first.child, 'exit')
  first.child.kill('SIGTERM')
  // Cut off in the midst of closing, 20 s behind the grace, it would say 1.
  expect(await ended).toEqual([0, null])

  postgres.thaw()
  writeFileSync(join(folder.path, 'go'), '')
  await using second = await fleet.start(...args)
  await expect
    .poll(() => jobOn(second), { timeout: 30_000 })
    .toMatchObject({ status: 'succeeded', result: { done: true } })
}, 120_000)
