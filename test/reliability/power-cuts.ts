// `node test/reliability/power-cuts.ts [CUTS]`: the server runs under `strace`, which writes down
// each change of its data folder and each answer. Played back up to a random moment, half of the
// time the one of an answer, the folder is what a power cut may leave: what no sync covers is
// there, torn, or not there. Every answer up to that moment has its record in it, once, the chain
// verifies, and the server starts on it. Exits with 1 where that is not so.
import { execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCli, startServe, temporaryFolder } from '../e2e/run-cli.ts'
import { CutDisk } from './cut-disk.ts'
import { type DiskEvent, readTrace, tracedCalls } from './disk-trace.ts'
import { askUntilClosed, countRecords, type Keys } from './kill-ledger.ts'

export interface PowerCutOutcome {
  readonly cuts: number
  /** Answers that had left before the cuts, summed over them. */
  readonly answered: number
  /** Bytes that were written and not synced at the cuts, summed over them. */
  readonly unsynced: number
  /** Request ids that were answered and have no record. */
  readonly lost: readonly string[]
  /** Request ids that have more than one. */
  readonly twice: readonly string[]
}

const cutsOfARun = 20
const runFromMs = 400
const runUntilMs = 2_500
const traceBytesMax = 1 << 20

/**
 * Traces runs of the server on one data folder, twenty cuts for each. Throws where a chain does
 * not verify, or a folder takes no new record.
 */
export async function cutPower(cuts: number, tell: (message: string) => void): Promise<PowerCutOutcome> {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  mkdirSync(data, { mode: 0o700 })
  const lost: string[] = []
  const twice: string[] = []
  let answered = 0
  let unsynced = 0
  for (let done = 0; done < cuts; done += cutsOfARun) {
    const disk = new CutDisk(data, Math.random)
    const trace = join(folder.path, 'trace')
    await traceRun(data, trace, done % 40 === 0 ? 'SIGKILL' : 'SIGTERM')
    const events = readTrace(readFileSync(trace, 'utf8').split('\n'), data, disk.sizes)
    const seen: string[] = []
    let played = 0
    const moments = chooseMoments(events, Math.min(cutsOfARun, cuts - done))
    for (const [index, moment] of moments.entries()) {
      for (; played < moment; played += 1) {
        const event = events[played]
        if (event === undefined) break
        disk.play(event)
        if (event.kind === 'answered') seen.push(event.requestId)
      }
      const left = join(folder.path, `cut-${done + index}`)
      disk.writeAfterCut(left)
      if (seen.length > 0) await verify(left)
      const records = await startAgain(left)
      answered += seen.length
      unsynced += disk.unsyncedBytes
      lost.push(...seen.filter((requestId) => !records.has(requestId)))
      twice.push(...[...records].filter(([, count]) => count > 1).map(([requestId]) => requestId))
    }
    tell(
      `${done + moments.length} of ${cuts} cuts: ${lost.length} lost, ${twice.length} twice of ${answered}`,
    )
  }
  return { cuts, answered, unsynced, lost, twice }
}

/** The server answers for a moment, then ends or is killed, all of it traced. */
async function traceRun(data: string, trace: string, signal: NodeJS.Signals): Promise<void> {
  const calls = `trace=${tracedCalls.join(',')}`
  const strace = [
    'strace',
    '-f',
    '-qq',
    '-y',
    '-xx',
    '-s',
    String(traceBytesMax),
    '--seccomp-bpf',
    '-e',
    calls,
  ]
  const under = [...strace, '-o', trace]
  await using server = await startServe(data, ['--limit-default', 'none', '--log-level', 'error'], { under })
  const keys = JSON.parse(readFileSync(join(data, 'first-keys.json'), 'utf8')) as Keys
  // The server, not `strace`, which must live to write the end down.
  const { pid: tracer } = server.child
  const pid = Number(readFileSync(`/proc/${tracer}/task/${tracer}/children`, 'utf8').trim())
  const closed = once(server.child, 'close')
  // A moment, not a wait: anywhere between the first answers and a busy ledger.
  const end = setTimeout(() => process.kill(pid, signal), randomInt(runFromMs, runUntilMs))
  await askUntilClosed(server.address, keys, () => {})
  clearTimeout(end)
  await closed
}

/** Half of them any moment, half of them that in which an answer has just left. */
function chooseMoments(events: readonly DiskEvent[], count: number): readonly number[] {
  const answers = events.flatMap(({ kind }, index) => (kind === 'answered' ? [index + 1] : []))
  if (answers.length === 0) throw new Error('the trace shows no answer')
  const moments = Array.from({ length: count }, (_, index) =>
    index % 2 === 0 ? (answers[randomInt(answers.length)] ?? 0) : randomInt(events.length + 1),
  )
  return moments.sort((a, b) => a - b)
}

async function verify(data: string): Promise<void> {
  const { code, stdout, stderr } = await runCli(['ledger', 'verify', '--data', data])
  if (code !== 0) throw new Error(`${data} does not verify: ${stdout}${stderr}`)
}

/** Records of requests by their ids, after the server has started on the folder and answered. */
async function startAgain(data: string): Promise<ReadonlyMap<string, number>> {
  {
    await using server = await startServe(data, ['--log-level', 'error'])
    const { status } = await fetch(`${server.address}/predict`, { method: 'POST' })
    if (status !== 401) throw new Error(`expected a 401 after the cut, got ${status}`)
  }
  await verify(data)
  return countRecords(data)
}

if (import.meta.main) {
  try {
    execFileSync('strace', ['--version'], { stdio: 'ignore' })
  } catch {
    throw new Error('strace is needed (Linux; Debian: apt-get install strace)')
  }
  const outcome = await cutPower(Number(process.argv[2] ?? 100), (message) => console.error(message))
  console.log(JSON.stringify(outcome))
  process.exitCode = outcome.lost.length === 0 && outcome.twice.length === 0 ? 0 : 1
}
