import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

const module = pathToFileURL('scripts/green-runs.ts').href
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelward-green-'))
  git('init', '-q')
  writeFileSync(join(folder, '.gitignore'), 'node_modules\n')
  commit()
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function git(...args: readonly string[]): string {
  return execFileSync('git', args, { cwd: folder, encoding: 'utf8' }).trim()
}

function commit(): string {
  git('add', '-A')
  git('-c', 'user.name=a', '-c', 'user.email=a@example.com', 'commit', '-qm', 'a', '--allow-empty')
  return git('rev-parse', 'HEAD')
}

/** What a release reads after a run that was green, and during which this was done. */
function runGreen(during: string): unknown {
  const program = `
    import { execFileSync } from 'node:child_process'
    import { writeFileSync } from 'node:fs'
    import { readCommit, readGreenRuns, rememberGreen } from '${module}'
    const commit = readCommit()
    ${during}
    rememberGreen('all', commit)
    console.log(JSON.stringify(readGreenRuns()))`
  const args = ['--input-type=module', '--eval', program]
  return JSON.parse(execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8' }))
}

const commits = `execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', 'commit', '-qm', 'b', '--allow-empty'])`
const writes = `writeFileSync('a.txt', 'a')`

test('a green run is noted for the commit whose files it has tested, and its files alone', () => {
  const tested = git('rev-parse', 'HEAD')
  expect(runGreen('')).toEqual({ all: tested })
  // The note of the run before stays: it is of another commit than the release's.
  for (const during of [commits, writes]) expect(runGreen(during)).toEqual({ all: tested })
  expect(runGreen('')).toEqual({ all: tested })
  const next = commit()
  expect(runGreen('')).toEqual({ all: next })
})
