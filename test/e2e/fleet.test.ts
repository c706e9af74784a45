import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { describeFleetStory } from './fleet-story.ts'
import { openTestFleet, predict } from './open-fleet.ts'
import { runError, startServer, temporaryFolder } from './run-cli.ts'

describeFleetStory('two nodes over one database and one Redis', () => openTestFleet())

test('URLs on the command line leave it once they are read', async () => {
  await using fleet = await openTestFleet()
  const { MODELWARD_DATABASE_URL: databaseUrl = '', ...env } = fleet.env
  const { password } = new URL(databaseUrl)
  await using node = await startServer(['--database-url', databaseUrl], { env })
  const commandLine = readFileSync(`/proc/${node.child.pid}/cmdline`, 'utf8')
  expect(commandLine).not.toContain(password)
  expect(commandLine).toContain('modelward')
})

describe('the first keys of a fleet', () => {
  test('come from one of the nodes that start at once, into its file', async () => {
    await using fleet = await openTestFleet()
    using folder = temporaryFolder()
    const files = [1, 2, 3, 4].map((number) => join(folder.path, `keys-${number}.json`))
    const nodes = await Promise.all(files.map((file) => fleet.start('--first-keys', file)))
    const written = files.filter((file) => existsSync(file))
    expect(written).toHaveLength(1)
    const [file = ''] = written
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const { admin, demo } = JSON.parse(readFileSync(file, 'utf8')) as { admin: string; demo: string }
    for (const node of nodes) expect((await predict(node, demo)).status).toBe(200)
    const listed = await fetch(`${nodes[0]?.address}/v1/keys`, { headers: { 'x-api-key': admin } })
    expect(((await listed.json()) as { keys: unknown[] }).keys).toHaveLength(2)
    for (const node of nodes) await node[Symbol.asyncDispose]()
  })

  test('are none where nothing takes them, and the command line makes one', async () => {
    await using fleet = await openTestFleet()
    await using node = await fleet.start()
    expect((await fleet.run<{ keys: unknown[] }>('keys', 'list')).keys).toEqual([])
    const { key } = await fleet.createKey('--scope', 'admin')
    const listed = await fetch(`${node.address}/v1/keys`, { headers: { 'x-api-key': key } })
    expect(listed.status).toBe(200)
  })
})

describe('a start that waiting cannot mend', () => {
  test.each([
    ['a missing pepper', { MODELWARD_PEPPER: undefined }, 3, 'pepper_missing'],
    ['a missing signing key', { MODELWARD_SIGNING_KEY: undefined }, 2, 'config_invalid'],
    ['no Redis', { MODELWARD_REDIS_URL: undefined }, 2, 'config_invalid'],
    ['a data folder too', { MODELWARD_DATA: '/tmp/modelward-data' }, 2, 'config_invalid'],
    ['no database', { MODELWARD_DATABASE_URL: undefined }, 2, 'config_invalid'],
  ])('%s', async (_name, changed, exitCode, expected) => {
    await using fleet = await openTestFleet()
    const entries = Object.entries({ ...fleet.env, ...changed }).filter(([, value]) => value !== undefined)
    const env = Object.fromEntries(entries) as Record<string, string>
    const { code, error } = await runError(['serve', '--port', '0'], { env })
    expect({ code, error: error.code }).toEqual({ code: exitCode, error: expected })
  })
})
