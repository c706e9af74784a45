import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, truncateSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { undoAtExit } from './leftovers.ts'

export interface ServerCommand {
  readonly command: readonly [string, ...string[]]
  /** The core it may run on; undefined: any. */
  readonly core: number | undefined
  readonly cwd: string
  readonly environment?: Readonly<Record<string, string>>
  /** Where its output goes, both streams. */
  readonly logFile: string
}

/** A server that runs in a process of its own. */
export interface ServerProcess {
  /** CPU time used so far by all its threads, user and system, in microseconds. */
  readonly cpuTime: () => number
  /** Memory that it holds at this moment (VmRSS), in MiB. */
  readonly residentMiB: () => number
  readonly isRunning: () => boolean
  /** Its output so far. */
  readonly readLog: () => string
  readonly emptyLog: () => void
  /** Asks it to end, and makes it after five seconds. */
  readonly stop: () => Promise<void>
}

/**
 * Linux counts CPU time in hundredths of a second towards programs, on every architecture that Node
 * runs on.
 */
const microsecondsPerTick = 10_000

export function startServerProcess(options: ServerCommand): ServerProcess {
  const { core, cwd, environment, logFile } = options
  const [program, ...args] =
    core === undefined ? options.command : (['taskset', '-c', String(core), ...options.command] as const)
  const log = openSync(logFile, 'a')
  // In the terminal's own group would an interrupt reach it before us.
  const child = spawn(program, args, {
    cwd,
    env: { ...ownEnvironment(), ...environment },
    stdio: ['ignore', log, log],
    detached: true,
  })
  closeSync(log)
  child.on('error', () => {})
  const kill = undoAtExit(() => signal(child, 'SIGKILL'))
  return {
    // taskset becomes the program that it starts, so the process is the server's own.
    cpuTime: () => readCpuTime(child.pid ?? 0),
    residentMiB: () => readResidentMiB(child.pid ?? 0),
    isRunning: () => child.pid !== undefined && child.exitCode === null && child.signalCode === null,
    readLog: () => readFileSync(logFile, 'utf8'),
    emptyLog: () => truncateSync(logFile),
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit')
        signal(child, 'SIGTERM')
        await Promise.race([ended, delay(5_000, undefined, { ref: false })])
      }
      kill()
    },
  }
}

/** Ours, without what would configure the server: the run is one of its defaults. */
function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MODELWARD_')))
}

/** Signals the process and those it started: the group is its own. */
function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/**
 * Fields 14 and 15 of proc(5)'s `stat`; the name, field 2, is in parentheses and may hold anything.
 */
function readCpuTime(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * microsecondsPerTick
}

function readResidentMiB(pid: number): number {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kibibytes) / 1_024
}

/** A port on loopback that is free at this moment. */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  return address.port
}
