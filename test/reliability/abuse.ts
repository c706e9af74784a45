// `node test/reliability/abuse.ts [MINUTES] [KIND…]`: one key of the default settings tries for ten
// minutes to end, fill, starve and stall a server of 1 GiB of heap on a disk of 256 MiB (Linux, as
// root), while another owner, an administrator and a monitor go on. Exits with 1 where they were
// harmed. The abusers have a process of their own, which gives way to the server (nice 19), so that
// it is the server that is measured, and not two programs that share its processors. `server` says
// how long its event loop stood still, whatever else the machine had to do.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { percentileOf } from '../../bench/statistics.ts'
import { runCli, type ServeProcess, startServe, temporaryFolder } from '../e2e/run-cli.ts'
import { createModelFolder } from '../models/install-peers.ts'
import type { Counts, Target } from './abuse/abusers.ts'
import { Bystanders, type Seen } from './abuse/bystanders.ts'
import type { Stalls } from './abuse/stalls.ts'

const heapMib = 1_024
const diskMib = 256
const idleMs = 60_000
const MiB = 2 ** 20
const stallsProgram = new URL('abuse/stalls.ts', import.meta.url).href

export interface AbuseOutcome {
  readonly minutes: number
  readonly idle: Seen
  readonly abused: Seen
  /** What the abusers were answered. */
  readonly counts: Counts
  /** What the server says of itself, while it was abused. */
  readonly stalls: Stalls
  /** Most memory that the process of the server had. */
  readonly peakMib: number
  /** Most that was used of the disk. */
  readonly diskMib: number
  /** How the server ended on SIGTERM. */
  readonly exit: number | null
  readonly isVerified: boolean
}

/** The first is the built-in model, the second takes 200 ms a batch, whatever else happens. */
const models: Readonly<Record<string, string>> = {
  'sentiment.ts': `
    import { loadSentimentModel } from '${new URL('../../src/models/sentiment/sentiment-model.ts', import.meta.url).href}'
    export default loadSentimentModel()
  `,
  'steady.ts': `
    export default {
      name: 'steady', version: 'steady-1', runs: 'threaded', threads: 1, batchMax: 8,
      predict(texts) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
        return texts.map(() => ({ label: 'neutral' }))
      },
    }
  `,
}

export async function abuse(
  minutes: number,
  kinds: readonly string[],
  tell: (message: string) => void,
): Promise<AbuseOutcome> {
  using disk = mountDisk()
  const folder = createModelFolder()
  const files = Object.entries(models).map(([name, source]) => folder.write(name, source))
  const data = join(disk.path, 'data')
  try {
    const server = await startServe(data, ['--model', files.join(','), '--log-level', 'warn'], {
      env: { NODE_OPTIONS: `--max-old-space-size=${heapMib} --import=${stallsProgram}` },
    })
    await using running = server
    const { pid = 0 } = running.child
    const { admin } = JSON.parse(readFileSync(join(data, 'first-keys.json'), 'utf8')) as Record<
      'admin',
      string
    >
    const other = await createKey(server.address, admin, { owner: 'other', limits: [] })
    const bystanders = new Bystanders(server.address, admin, other.key)
    const idle = await bystanders.watch(idleMs)
    tell(`idle: ${describe(idle)}`)
    tell(`  server: ${JSON.stringify(await askStalls(server))}`)
    const abuser = await createKey(server.address, admin, { owner: 'abuser' })
    const revoked = await createKey(server.address, admin, { owner: 'abuser' })
    await post(server.address, admin, `/v1/keys/${revoked.id}/revoke`, {})
    const stop = startAbusers({ address: server.address, key: abuser.key, revoked: revoked.key, kinds })
    let usedMib = 0
    const look = setInterval(() => {
      const { blocks, bfree, bsize } = statfsSync(disk.path)
      usedMib = Math.max(usedMib, ((blocks - bfree) * bsize) / MiB)
    }, 100)
    const abused = await bystanders.watch(minutes * 60_000)
    const stalls = await askStalls(server)
    const counts = await stop()
    clearInterval(look)
    tell(`abused: ${describe(abused)}`)
    tell(`  server: ${JSON.stringify(stalls)}`)
    bystanders.close()
    const peakMib = readPeakMib(pid)
    server.child.kill('SIGTERM')
    const exit = await new Promise<number | null>((resolve) => server.child.once('close', resolve))
    const verified = await runCli(['ledger', 'verify', '--data', data])
    return {
      ...{ minutes, idle, abused, counts, stalls, peakMib, diskMib: usedMib, exit },
      isVerified: verified.code === 0,
    }
  } finally {
    folder.remove()
  }
}

function mountDisk(): Disposable & { readonly path: string } {
  const folder = temporaryFolder()
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskMib}m`, 'tmpfs', folder.path])
  return {
    path: folder.path,
    [Symbol.dispose]() {
      execFileSync('umount', ['--lazy', folder.path])
      folder[Symbol.dispose]()
    },
  }
}

async function askStalls({ child, log }: ServeProcess): Promise<Stalls> {
  const count = (): string[] => log().match(/^{"stalls":.*$/gm) ?? []
  const before = count().length
  child.kill('SIGUSR2')
  while (count().length === before && child.stderr !== null) await once(child.stderr, 'data')
  return (JSON.parse(count().at(-1) ?? '') as { readonly stalls: Stalls }).stalls
}

/** As they would be, they are on another machine: what the server needs of this one goes first. */
function startAbusers(target: Target): () => Promise<Counts> {
  const program = fileURLToPath(new URL('abuse/abuse-server.ts', import.meta.url))
  const child = spawn('nice', ['-n', '19', process.execPath, program], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(JSON.stringify(target))
  const output = text(child.stdout)
  return async () => {
    child.kill('SIGTERM')
    return JSON.parse(await output) as Counts
  }
}

async function createKey(
  address: string,
  admin: string,
  fields: object,
): Promise<{ readonly id: string; readonly key: string }> {
  return (await post(address, admin, '/v1/keys', { name: 'a key', scopes: ['predict'], ...fields })) as never
}

async function post(address: string, key: string, path: string, body: object): Promise<unknown> {
  const answer = await fetch(`${address}${path}`, {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  return answer.json()
}

function readPeakMib(pid: number): number {
  const [, kib = '0'] = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kib) / 1_024
}

function p99(times: readonly number[] | undefined): number {
  return percentileOf(Float64Array.from(times ?? []).sort(), 0.99)
}

function describe({ times, faults, trueWaits, revocations }: Seen): string {
  const lines = Object.entries(times).map(
    ([what, all]) =>
      `  ${what}: ${all.length}, p50 ${percentileOf(Float64Array.from(all).sort(), 0.5).toFixed(1)} ms, p99 ${p99(all).toFixed(1)} ms, most ${Math.max(...all).toFixed(1)} ms`,
  )
  const kinds = [...new Set(faults)].slice(0, 10).map((fault) => `  ${fault}`)
  return [
    `${faults.length} faults, ${trueWaits} true waits, ${revocations.length} revocations of at most ${Math.max(0, ...revocations).toFixed(0)} ms`,
    ...lines,
    ...kinds,
  ].join('\n')
}

if (import.meta.main) {
  const [, , minutes = '10', ...kinds] = process.argv
  const outcome = await abuse(Number(minutes), kinds, (message) => console.error(message))
  const { idle, abused, counts, peakMib, diskMib: used, exit, isVerified } = outcome
  for (const [kind, statuses] of Object.entries(counts)) console.log(`${kind}: ${JSON.stringify(statuses)}`)
  const slower = p99(abused.times['a prediction']) / p99(idle.times['a prediction'])
  const revokedMs = Math.max(...abused.revocations)
  const figures = { slower, revokedMs, peakMib, diskMib: used, exit, isVerified }
  console.log(JSON.stringify(figures))
  const isKept = abused.faults.length === 0 && slower <= 3 && revokedMs <= 1_000 && isVerified
  process.exitCode = isKept ? 0 : 1
}
