import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type CliRun, runCli } from './run-cli.ts'

test('a scope that no route and no rule asks for is told on standard error, with the one that was meant', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-scopes-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const rules = { audio: { scope: 'transcribe', routes: [{ route: 'POST /long', scope: 'long-audio' }] } }
  writeFileSync(join(folder, 'modelward.json'), JSON.stringify({ data: './data', forwardAuth: rules }))
  const run = (...args: readonly string[]): Promise<CliRun> => runCli(args, { cwd: folder })

  const known = ['transcribe', 'long-audio', 'keys:owner'].flatMap((scope) => ['--scope', scope])
  const created = await run('keys', 'create', '--name', 'a', '--json', ...known)
  expect([created.code, created.stderr]).toEqual([0, ''])
  const mistyped = await run('keys', 'create', '--name', 'b', '--json', '--scope', 'transcirbe')
  expect(JSON.parse(mistyped.stdout).warnings).toEqual([
    { code: 'scope_unknown', scope: 'transcirbe', did_you_mean: 'transcribe' },
  ])
  const { id } = JSON.parse(created.stdout)
  const updated = await run('keys', 'update', id, '--scope', 'long-audoi')
  expect([updated.code, updated.stderr]).toEqual([0, expect.stringContaining('did you mean `long-audio`?')])
})
