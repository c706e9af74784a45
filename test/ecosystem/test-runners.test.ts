import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readGuidePage } from './guide-page.ts'
import { folder, runLine, write } from './programs.ts'
import { proves } from './support.ts'

const guide = readGuidePage('docs/guides/bundlers.md')
const guarded = guide.file('guard.test.js')

/** An app that has lost its guard. */
const open = `import { Hono } from 'hono'
export const createApp = () => new Hono().post('/predict', (c) => c.json({ owner: 'acme' }))
`

/** A test of an app over a data folder, whose ledger has a thread. */
const overFolder = `import { openModelward } from 'modelward'
import { expect, test } from 'vitest'
import { createApp } from './guard.js'

test('a key of a data folder is let in until it is revoked', async () => {
  const ward = await openModelward({ data: './modelward-data' })
  const { text, record } = await ward.keys.create({ name: 'a', owner: 'acme', scopes: ['predict'] })
  const app = createApp(ward)
  const ask = async () => (await app.request('/predict', { method: 'POST', headers: { 'X-API-Key': text } })).status
  expect(await ask()).toBe(200)
  await ward.keys.revoke(record.id, 'found in a log')
  expect(await ask()).toBe(403)
  await ward.close()
}, 60_000)
`

/** A test of jobs, which are in memory in a ward for tests. */
const ofJobs = `import { createTestWard } from 'modelward'
import { expect, test } from 'vitest'

test('a job of a ward for tests runs', async () => {
  const predict = async (inputs) => inputs
  const ward = await createTestWard({ jobs: { models: new Map([['echo', { batchMax: 8, predict }]]) } })
  const { job } = await ward.jobs.submit({ owner: 'acme', keyId: 'mine', model: 'echo', kind: 'single', inputs: ['a'] })
  expect(await ward.jobs.get('acme', job.id, { waitMs: 5000 })).toMatchObject({ status: 'succeeded', result: 'a' })
  await ward.close()
}, 60_000)
`

/** It requires the package, and uses what Jest defines. */
const commonJs = `const { createTestWard } = require('modelward')
test('a ward for tests names its keys', async () => {
  const ward = await createTestWard({ keys: { alice: { owner: 'acme' } } })
  expect(ward.testKeys.alice).toMatch(/^mw_live_/)
})
`

const files = ['guard.js', 'guard.test.js', 'folder.test.js', 'jobs.test.js', 'required.test.cjs']

beforeEach(() => write({ 'guard.js': guide.file('guard.js') }))
afterEach(async () => {
  for (const path of [...files, 'modelward-data'])
    await rm(join(folder, path), { recursive: true, force: true })
})

/** Runs a command in the project; what it says, and whether it ended with status 0. */
async function outcomeOf(command: string): Promise<{ readonly isPassed: boolean; readonly says: string }> {
  const says = await runLine(`${command} 2>&1; echo "status $?"`, { CI: 'true', NO_COLOR: '1' })
  return { isPassed: says.endsWith('status 0\n'), says }
}

const forJest = (text: string): string => text.replace("from 'vitest'", "from '@jest/globals'")

const runners = [
  { row: proves('Vitest'), heading: 'Vitest', of: (text: string) => text },
  { row: proves('Jest'), heading: 'Jest', of: forJest },
] as const

describe.each(runners)('$row', ({ heading, of }) => {
  const [command = ''] = guide.commands(heading)

  async function expectPassed(tests: Readonly<Record<string, string>>, count: RegExp): Promise<void> {
    await write(Object.fromEntries(Object.entries(tests).map(([name, text]) => [name, of(text)])))
    const { isPassed, says } = await outcomeOf(command)
    expect(says).toMatch(count)
    expect(isPassed).toBe(true)
  }

  test('passes the tests of the guide', async () => {
    await expectPassed({ 'guard.test.js': guarded }, /Tests:? +2 passed/)
  })

  test('fails the tests of an app that has lost its guard', async () => {
    await write({ 'guard.js': open, 'guard.test.js': of(guarded) })
    const { isPassed, says } = await outcomeOf(command)
    expect(says).toMatch(/a stranger is refused/)
    expect(says).toMatch(/Tests:? +1 failed/)
    expect(isPassed).toBe(false)
  })

  test('opens a data folder with its threads, and runs jobs', async () => {
    await expectPassed({ 'folder.test.js': overFolder, 'jobs.test.js': ofJobs }, /Tests:? +2 passed/)
  })
})

describe('Jest with its flag', () => {
  test('lets a CommonJS test require the package', async () => {
    await write({ 'required.test.cjs': commonJs })
    const [command = ''] = guide.commands('Jest')
    const { isPassed, says } = await outcomeOf(command)
    expect(says).toMatch(/Tests:? +1 passed/)
    expect(isPassed).toBe(true)
  })
})

describe(proves('Jest without its flag'), () => {
  test.each([
    ['guard.test.js', forJest(guarded)],
    ['required.test.cjs', commonJs],
  ])('ends at %s with the message that the guide names', async (name, text) => {
    await write({ [name]: text })
    const { isPassed, says } = await outcomeOf('npx jest')
    expect(says).toContain('Must use import to load ES Module')
    expect(isPassed).toBe(false)
  })
})
