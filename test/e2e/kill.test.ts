import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { get, keyHeader } from '../parity/ask.ts'
import { scaled } from '../support/scaled.ts'
import { type ServeProcess, spawnCli, startServe, temporaryFolder } from './run-cli.ts'

/** A thousand creations are more than a key may ask for in a minute. */
const unlimited = ['--limit-default', ''] as const

const inFlight = 32
const wanted = 1_000

interface Made {
  readonly id: string
  readonly key: string
}

/** Creates keys, many at once, until the server is killed; gives those whose answers arrived. */
async function createUntilKilled(
  server: ServeProcess,
  admin: string,
  killAfter: number,
): Promise<readonly Made[]> {
  const made: Made[] = []
  const closed = once(server.child, 'close')
  async function createOneAfterAnother(): Promise<void> {
    for (;;) {
      const answer = await fetch(`${server.address}/v1/keys`, {
        method: 'POST',
        headers: { 'x-api-key': admin, 'content-type': 'application/json' },
        body: '{"name":"made under fire"}',
      })
      if (answer.status !== 201) throw new Error(`expected 201, got ${answer.status}`)
      made.push((await answer.json()) as Made)
      // The others are under way at this moment: queued, in the transaction, committed and not yet
      // answered.
      if (made.length === killAfter) server.child.kill('SIGKILL')
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: inFlight }, createOneAfterAnother))
  await closed
  // Only the kill may have ended them: a connection error, and never an answer that is not 201.
  for (const end of ends)
    expect(String(end.status === 'rejected' && end.reason)).toMatch(/fetch failed|terminated|JSON/)
  return made
}

async function expectAllToWork(server: ServeProcess, made: readonly Made[]): Promise<void> {
  const target = { port: Number(new URL(server.address).port) }
  for (const { id, key } of made) {
    const { status, body } = await get(target, '/v1/keys/self', [keyHeader(key)])
    expect({ id, status, same: status === 200 && JSON.parse(body).id === id }).toEqual({
      id,
      status: 200,
      same: true,
    })
  }
}

test('kill -9 with 32 key creations in flight, again and again: each of a thousand keys that was answered works afterwards', async () => {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  const all: Made[] = []
  let admin = ''
  let rounds = 0
  while (all.length < wanted) {
    await using server = await startServe(data, [...unlimited, '--log-level', 'error'])
    admin ||= (JSON.parse(readFileSync(join(data, 'first-keys.json'), 'utf8')) as { admin: string }).admin
    const made = await createUntilKilled(server, admin, randomInt(50, 250))
    all.push(...made)
    rounds += 1
  }
  await using last = await startServe(data, unlimited)
  await expectAllToWork(last, all)
  const database = new DatabaseSync(join(data, 'modelward.db'))
  expect(database.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }])
  const { kept } = database.prepare('SELECT count(*) AS kept FROM keys').get() as { kept: number }
  database.close()
  // The two first ones; and no more without an answer than were under way at each kill.
  expect(kept).toBeGreaterThanOrEqual(all.length + 2)
  expect(kept).toBeLessThanOrEqual(all.length + 2 + rounds * inFlight)
  process.stdout.write(`kill: ${all.length} keys answered over ${rounds} kills, ${kept} kept\n`)
}, 240_000)

test(
  'kill -9 at any moment of a first start: the next start finishes it, and the keys in its file work',
  async () => {
    using folder = temporaryFolder()
    const data = join(folder.path, 'data')
    const keyFile = join(data, 'first-keys.json')
    for (let round = 0; round < scaled(3); round += 1) {
      const child = spawnCli(['serve', '--data', data, '--port', '0'])
      const closed = once(child, 'close')
      child.stdout?.resume()
      child.stderr?.resume()
      // A moment, not a wait: from before the folder is there to after the keys are.
      const kill = setTimeout(() => child.kill('SIGKILL'), randomInt(100, 900))
      await closed
      clearTimeout(kill)
      await using server = await startServe(data, unlimited)
      const { admin, demo } = JSON.parse(readFileSync(keyFile, 'utf8')) as { admin: string; demo: string }
      await expectAllToWork(
        server,
        [admin, demo].map((key) => ({ key, id: key.split('_')[2] ?? '' })),
      )
      server.child.kill('SIGKILL')
      await once(server.child, 'close')
      rmSync(data, { recursive: true })
      expect(existsSync(data)).toBe(false)
    }
  },
  scaled(120_000),
)
