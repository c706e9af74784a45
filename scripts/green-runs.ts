import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** `npm test`, and `npm test -- --ecosystem`. */
export type Run = 'all' | 'ecosystem'

/** On which commit each was green last. */
export type GreenRuns = Readonly<Partial<Record<Run, string>>>

const file = 'node_modules/.cache/modelward/green-runs.json'

/** Notes for a release that a whole run was green, where the files are those of a commit. */
export function rememberGreen(run: Run): void {
  try {
    if (git('status', '--porcelain') !== '') return
    const text = JSON.stringify({ ...readGreenRuns(), [run]: git('rev-parse', 'HEAD') })
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  } catch {
    // A copy without git: nothing is released from it.
  }
}

export function readGreenRuns(): GreenRuns {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as GreenRuns
  } catch {
    return {}
  }
}

/** What git says, of the folder that the scripts run in. */
export function git(...args: readonly string[]): string {
  return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
}
