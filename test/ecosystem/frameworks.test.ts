import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { type App, startApp } from '../package/start-app.ts'
import { folder, run, write } from './programs.ts'
import { proves } from './support.ts'

/** Apps of `test/package/apps`, which their own test runs under every version of Node. */
const apps = [
  { row: proves('Fastify 5'), file: 'fastify.mjs' },
  { row: proves('Hono 4'), file: 'hono.mjs' },
  { row: proves('Express 5'), file: 'express.mjs' },
  { row: proves('Express 4'), file: 'express.mjs', instead: ["from 'express'", "from 'express-4'"] },
  { row: proves('Web-standard handlers'), file: 'web.mjs' },
] as const

let app: App | undefined

afterEach(async () => {
  await app?.stop()
  app = undefined
  for (const path of ['app.mjs', 'data']) await rm(join(folder, path), { recursive: true, force: true })
})

describe.each(apps)('$row', (tried) => {
  test('a guarded app answers 401, 403 and 200, and its ledger verifies', async () => {
    const text = await readFile(join('test/package/apps', tried.file), 'utf8')
    const [before, after] = 'instead' in tried ? tried.instead : ['', '']
    await write({ 'app.mjs': text.replace(before, after) })
    app = await startApp(process.execPath, folder, ['app.mjs', './data'])
    const answers = []
    for (const key of [undefined, 'wrong', app.key]) {
      const response = await app.predict(key)
      const { code, owner } = (await response.json()) as { readonly code?: string; readonly owner?: string }
      answers.push([response.status, code ?? owner])
    }
    expect(answers).toEqual([
      [401, 'key_missing'],
      [403, 'key_invalid'],
      [200, 'acme'],
    ])
    // What it wrote to standard error: no warning of ours.
    expect(await app.stop()).toBe('')
    app = undefined
    const { records } = JSON.parse(await run('modelward', 'ledger', 'verify', '--data', 'data', '--json'))
    expect(records).toBeGreaterThan(3)
  })
})
