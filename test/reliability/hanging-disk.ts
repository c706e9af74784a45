// `node test/reliability/hanging-disk.ts`: under the real server each `fsync` and `fdatasync` takes
// 40 s (Linux, `strace`), and all that asks it is answered in its time. Exits with 1 where not.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type ServeProcess, startServe, temporaryFolder } from '../e2e/run-cli.ts'

const delayUs = 40_000_000

interface Answer {
  readonly status: number
  readonly ms: number
}

interface Measured {
  readonly name: string
  readonly answer: Answer
  /** What is promised of it. */
  readonly status: number
  readonly msMax: number
}

type Ask = (
  path: string,
  options?: { readonly key?: string; readonly body?: object; readonly prefer?: string },
) => Promise<Answer>

function askerOf({ address }: ServeProcess): Ask {
  return async (path, { key, body, prefer } = {}) => {
    const begunAt = performance.now()
    const answer = await fetch(`${address}${path}`, {
      headers: {
        'content-type': 'application/json',
        ...(key !== undefined && { 'x-api-key': key }),
        ...(prefer !== undefined && { prefer }),
      },
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
    })
    await answer.arrayBuffer()
    return { status: answer.status, ms: performance.now() - begunAt }
  }
}

/** Slows the disk of a process down, from when it resolves on. */
async function hangDisk(pid: number): Promise<void> {
  const inject = `inject=fsync,fdatasync:delay_enter=${delayUs}`
  const trace = ['-f', '-o', '/dev/null', '-p', `${pid}`, '-e', 'trace=fsync,fdatasync', '-e', inject]
  const strace = spawn('strace', trace, { stdio: ['ignore', 'ignore', 'pipe'] })
  strace.unref()
  // "Process … attached".
  await once(strace.stderr, 'data')
}

async function measure(): Promise<readonly Measured[]> {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  await using server = await startServe(data, ['--limit-default', '1000/d', '--log-level', 'error'])
  const { admin, demo } = JSON.parse(readFileSync(join(data, 'first-keys.json'), 'utf8')) as Record<
    string,
    string
  >
  const ask = askerOf(server)
  const body = { text: 'I love this' }
  const predict = () => ask('/predict', { key: demo ?? '', body })
  const measured: Measured[] = []
  const note = (name: string, answer: Answer, status: number, msMax: number): void => {
    measured.push({ name, answer, status, msMax })
  }
  note('a prediction before', await predict(), 200, 1_000)
  await hangDisk(server.child.pid ?? 0)
  const asked = [
    predict(),
    ask('/v1/keys', { key: admin ?? '', body: { name: 'new' } }),
    ask('/predict', { key: demo ?? '', body, prefer: 'respond-async' }),
  ]
  await delay(2_000)
  note('`/health` meanwhile', await ask('/health'), 200, 500)
  const [prediction, key, job] = (await Promise.all(asked)) as [Answer, Answer, Answer]
  note('a prediction under way', prediction, 503, 11_000)
  note('a new key under way', key, 503, 16_000)
  note('a job under way', job, 503, 16_000)
  note('a prediction from then on', await predict(), 503, 500)
  note('`/ready`', await ask('/ready'), 503, 1_500)
  note('`/health`', await ask('/health'), 200, 500)
  return measured
}

if (import.meta.main) {
  const measured = await measure()
  for (const { name, answer, status, msMax } of measured)
    console.log(
      `| ${name} | ${answer.status} after ${(answer.ms / 1_000).toFixed(2)} s | ${status} within ${msMax / 1_000} s |`,
    )
  const isKept = measured.every(({ answer, status, msMax }) => answer.status === status && answer.ms <= msMax)
  process.exitCode = isKept ? 0 : 1
}
