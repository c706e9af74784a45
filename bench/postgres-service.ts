import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A PostgreSQL of a benchmark's own, with its files on this machine's disk. */
export interface PostgresService extends AsyncDisposable {
  readonly url: string
  /** Processor time that each of its processes has used, in microseconds, by process id. */
  readonly cpu: () => ReadonlyMap<number, number>
}

/** Starts one; it ends with `dispose`, and with this process. */
export async function startPostgresService(): Promise<PostgresService> {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-bench-'))
  const socket = join(folder, 'socket')
  const child = spawn(process.execPath, ['scripts/services.mjs', socket], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  const connection = connect(socket)
  await once(connection, 'connect')
  const lines = createInterface({ input: connection })[Symbol.asyncIterator]()
  connection.write('{"do":"own","service":"postgres"}\n')
  const { url, pid, error } = JSON.parse(String((await lines.next()).value))
  if (error !== undefined) throw new Error(error)
  return {
    url,
    cpu: () => cpuOf(pid),
    async [Symbol.asyncDispose]() {
      connection.destroy()
      const ended = once(child, 'exit')
      child.stdin.end()
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Linux counts in hundredths of a second. */
const tickUs = 10_000

function cpuOf(postmaster: number): ReadonlyMap<number, number> {
  const used = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const fields = statOf(name)
    // Behind the command's name: state, parent, …, user and system time as the 12th and 13th.
    if (Number(fields[1]) === postmaster)
      used.set(Number(name), (Number(fields[11]) + Number(fields[12])) * tickUs)
  }
  return used
}

function statOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
  } catch {
    // It has ended meanwhile.
    return []
  }
}
