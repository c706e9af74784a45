import { spawn } from 'node:child_process'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { createKeyVerifier } from '../../src/keys/verify/verify-key.ts'
import { parsePeppers } from '../../src/secrets/peppers.ts'
import { openSqliteKeyStore } from '../../src/storage/sqlite/keys/key-file.ts'
import { scaled } from '../support/scaled.ts'
import { cleanEnvironment, cliFile, runCli, runJson, spawnCli, temporaryFolder } from './run-cli.ts'

/** Which of these keys the data folder does not know to be right. */
async function findUnverified(data: string, keys: readonly string[]): Promise<readonly string[]> {
  const peppers = parsePeppers(readFileSync(join(data, 'pepper'), 'utf8'), 'the test')
  const store = openSqliteKeyStore({ peppers, file: join(data, 'modelward.db') })
  try {
    const verifier = createKeyVerifier({
      store,
      format: { prefix: 'mw', environment: 'live' },
      peppers,
      hasImportedKeys: () => false,
    })
    const wrong: string[] = []
    for (const key of keys)
      if (typeof (await verifier.verify(key, hash('sha256', key))) === 'string') wrong.push(key)
    return wrong
  } finally {
    await store.close()
  }
}

describe('keys create', () => {
  test(
    'killed at any moment, every key that was printed works',
    async () => {
      using folder = temporaryFolder()
      const data = join(folder.path, 'd')
      const printed: string[] = []
      let killed = 0
      // The moments lie close together where a create does its work, and some are past its end; the
      // first makes the folder.
      const moments = scaled(12)
      for (let moment = 0; moment <= moments; moment += 1) {
        const child = spawnCli(['keys', 'create', '--data', data, '--name', 'n'])
        const timer = setTimeout(() => child.kill('SIGKILL'), 40 + (320 * moment) / moments)
        const [, output] = await Promise.all([once(child, 'close'), child.stdout ? text(child.stdout) : ''])
        clearTimeout(timer)
        if (child.signalCode === 'SIGKILL') killed += 1
        if (output.endsWith('\n')) printed.push(output.trim())
      }
      // And at the very moment at which the key comes out.
      const refused: string[] = []
      for (let count = 0; count < 10; count += 1) {
        const child = spawnCli(['keys', 'create', '--data', data, '--name', 'n'])
        child.stdout?.on('data', (piece) => {
          child.kill('SIGKILL')
          printed.push(String(piece).trim())
        })
        const [, said] = await Promise.all([once(child, 'close'), child.stderr ? text(child.stderr) : ''])
        if (child.signalCode === null && child.exitCode !== 0) refused.push(said)
      }
      expect(refused).toEqual([])
      expect(killed).toBeGreaterThan(0)
      expect(printed.length).toBeGreaterThanOrEqual(10)
      expect(await findUnverified(data, printed)).toEqual([])
    },
    scaled(120_000),
  )

  test('several at once on a folder that is not there yet all make keys that work, under one pepper', async () => {
    using folder = temporaryFolder()
    const data = join(folder.path, 'd')
    const args = ['keys', 'create', '--data', data, '--name', 'n']
    const runs = await Promise.all(Array.from({ length: 6 }, () => runCli(args)))
    expect(runs.map(({ code, stderr }) => (code === 0 ? '' : stderr))).toEqual(runs.map(() => ''))
    expect(
      await findUnverified(
        data,
        runs.map(({ stdout }) => stdout.trim()),
      ),
    ).toEqual([])
  })

  test.each(['head -c1', 'true'])(
    'piped into `%s` ends without a stack, and the key is there',
    async (reader) => {
      using folder = temporaryFolder()
      const command = `'${process.execPath}' '${cliFile}' keys create --name n --json --data '${folder.path}' | ${reader}`
      const child = spawn('/bin/sh', ['-c', command], {
        env: cleanEnvironment(),
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const [[code], stderr] = await Promise.all([
        once(child, 'close'),
        text(child.stderr),
        text(child.stdout),
      ])
      expect(code).toBe(0)
      // Nothing, or that the key exists and its text is lost.
      expect(stderr).toMatch(/^(?:\{"error":\{"code":"output_failed"[^\n]*\}\n)?$/)
      const { keys } = await runJson<{ keys: unknown[] }>(['keys', 'list', '--data', folder.path])
      expect(keys).toHaveLength(1)
    },
  )

  test('onto a full disk says that the key exists and could not be printed', async () => {
    using folder = temporaryFolder()
    const command = `'${process.execPath}' '${cliFile}' keys create --name n --data '${folder.path}' > /dev/full`
    const child = spawn('/bin/sh', ['-c', command], {
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const [[code], stderr] = await Promise.all([once(child, 'close'), text(child.stderr)])
    expect(code).toBe(3)
    expect(stderr).toMatch(
      /^modelward: .*ENOSPC: key [0-9A-Za-z]{12} exists and could not be printed.*\(output_failed\)\n$/,
    )
  })
})

test('a list whose reader has had enough ends with 0 and says nothing', async () => {
  using folder = temporaryFolder()
  await runJson(['keys', 'create', '--data', folder.path, '--name', 'n'])
  const child = spawnCli(['keys', 'list', '--json', '--data', folder.path])
  child.stdout?.destroy()
  const [[code], stderr] = await Promise.all([once(child, 'close'), child.stderr ? text(child.stderr) : ''])
  expect([code, stderr]).toEqual([0, ''])
})
