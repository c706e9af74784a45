// `node test/reliability/kill-job-store.ts [ROUNDS]`: two processes submit and settle jobs of one
// file and are killed (SIGKILL), each at a random moment, again and again. Every job whose submit
// was acknowledged is there afterwards, and every acknowledged end is as it was, the only one, with
// one delivery. Exits with 1 where that is not so.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import type { JobStore } from '../../src/storage/job-store.ts'
import { openJobDatabaseToRead } from '../../src/storage/sqlite/jobs/job-database.ts'
import { openSqliteJobStore } from '../../src/storage/sqlite/jobs/job-store.ts'
import { answered, wide } from '../contract/job-fixtures.ts'
import { compareStoredBytes } from '../support/stored-bytes.ts'

export interface KilledJobStore {
  readonly rounds: number
  /** Acknowledged before a kill. */
  readonly submitted: number
  readonly settled: number
  /** Jobs that were acknowledged and are not there. */
  readonly lost: readonly string[]
  /**
   * Jobs whose acknowledged end is not what it was or had another beside it, or that have not one
   * delivery.
   */
  readonly changed: readonly string[]
  /** Jobs left over that could not be claimed and ended once more. */
  readonly stuck: number
  /** Whether the bytes that are kept are those that a scan counts, of each owner and in all. */
  readonly isCounted: boolean
}

/** No result is like this. */
const endedTwice = 'twice'
/** A kill comes after so many lines of a worker, and a moment; on a slow machine after a time. */
const killFromLines = 20
const killUntilLines = 200
const killWithinMs = 20
const killAfterMs = 2_000
const program = fileURLToPath(new URL('./processes/work-on-jobs.ts', import.meta.url))

/** Plays the rounds on one file. */
export async function killJobStore(rounds: number, tell: (message: string) => void): Promise<KilledJobStore> {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-kill-'))
  try {
    const file = join(folder, 'jobs.db')
    const submitted = new Set<string>()
    const settled = new Map<string, string>()
    for (let round = 1; round <= rounds; round += 1) {
      const workers = [2 * round, 2 * round + 1]
      await Promise.all(workers.map((worker) => workUntilKilled(file, worker, submitted, settled)))
      tell(`round ${round} of ${rounds}: ${submitted.size} submitted and ${settled.size} settled in all`)
    }
    const store = await openSqliteJobStore({ file })
    try {
      const found = { ...(await check(store, submitted, settled)), isCounted: isCounted(file) }
      const stuck = await workOnRest(store)
      return { rounds, submitted: submitted.size, settled: settled.size, ...found, stuck }
    } finally {
      await store.close()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function workUntilKilled(
  file: string,
  worker: number,
  submitted: Set<string>,
  settled: Map<string, string>,
): Promise<void> {
  const child: ChildProcessByStdio<null, Readable, null> = spawn(
    process.execPath,
    [program, file, String(worker)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const closed = once(child, 'close')
  let left = randomInt(killFromLines, killUntilLines)
  let kill: NodeJS.Timeout | undefined
  for await (const line of createInterface(child.stdout)) {
    left -= 1
    if (left === 0) setTimeout(() => child.kill('SIGKILL'), randomInt(killWithinMs))
    kill ??= setTimeout(() => child.kill('SIGKILL'), killAfterMs)
    const [what, id = '', lease = ''] = line.split(' ')
    if (what === 'submitted') submitted.add(id)
    else settled.set(id, settled.has(id) ? endedTwice : JSON.stringify(lease))
  }
  clearTimeout(kill)
  const [code, signal] = await closed
  if (signal !== 'SIGKILL') throw new Error(`worker ${worker}: the process ended by itself, with ${code}`)
}

async function check(
  store: JobStore,
  submitted: ReadonlySet<string>,
  settled: ReadonlyMap<string, string>,
): Promise<Pick<KilledJobStore, 'lost' | 'changed'>> {
  const now = Date.now()
  const lost: string[] = []
  const changed: string[] = []
  for (const id of submitted) if ((await store.findJob({ id }, now)) === undefined) lost.push(id)
  for (const [id, result] of settled) {
    const job = await store.findJob({ id }, now)
    const deliveries = await store.listDeliveries({ jobId: id, limit: 10 })
    const answers = JSON.parse(job?.result ?? '[]') as readonly unknown[]
    const isSame = answers.length === 2 && JSON.stringify(answers[1]) === result
    if (job?.status !== 'succeeded' || !isSame || deliveries.length !== 1) changed.push(id)
  }
  return { lost, changed }
}

function isCounted(file: string): boolean {
  const database = openJobDatabaseToRead(file)
  try {
    const { kept, counted } = compareStoredBytes(database)
    return isDeepStrictEqual(kept, counted)
  } finally {
    database.close()
  }
}

/**
 * What was under way at a kill is claimed once its lease has ended, and ends.
 * @returns how many still have not
 */
async function workOnRest(store: JobStore): Promise<number> {
  const now = Date.now() + 3_600_000
  const keepMs = 86_400_000
  for (;;) {
    const ask = { max: 1_000, now, until: now + 1_000, models: ['sentiment'], keepMs }
    const { claimed } = await store.claim(ask)
    if (claimed.length === 0) break
    const expiresAt = now + keepMs
    const ends = claimed.map(({ id, lease, done }) => ({
      id,
      lease,
      end: 'succeeded' as const,
      answers: Array.from({ length: 2 - done }, (_, at) => answered('1', 1, done + at)).flat(),
      expiresAt,
    }))
    await store.settle(ends, now, wide)
  }
  const { queued, running } = await store.countJobs()
  return queued + running
}

if (import.meta.main) {
  const outcome = await killJobStore(Number(process.argv[2] ?? 50), (message) => console.error(message))
  console.log(JSON.stringify(outcome))
  const { lost, changed, stuck, isCounted } = outcome
  process.exitCode = lost.length === 0 && changed.length === 0 && stuck === 0 && isCounted ? 0 : 1
}
