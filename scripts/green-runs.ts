import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** `npm test`, and `npm test -- --ecosystem`. */
export type Run = 'all' | 'ecosystem'

/** On which commit each was green last. */
export type GreenRuns = Readonly<Partial<Record<Run, string>>>

const file = 'node_modules/.cache/modelward/green-runs.json'

/** The commit whose files these are; undefined where files differ from it, and without git. */
export function readCommit(): string | undefined {
  try {
    return git('status', '--porcelain') === '' ? git('rev-parse', 'HEAD') : undefined
  } catch {
    // A copy without git: nothing is released from it.
    return undefined
  }
}

/**
 * Notes for a release that a whole run was green.
 *
 * @param begunOn the commit when it began: a run takes minutes, in which another may be made
 */
export function rememberGreen(run: Run, begunOn: string | undefined): void {
  if (begunOn === undefined || readCommit() !== begunOn) return
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, JSON.stringify({ ...readGreenRuns(), [run]: begunOn }))
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
