import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { SetupError } from '../../core/setup-error.ts'

/** The process that has a folder's locks, for the message of the next one that wants them. */
interface Holder {
  readonly pid: number
  /** Processes of several machines or containers may have one number. */
  readonly host: string
  /** Where it listens, if it is a server that does. */
  readonly address: string | null
}

const fileName = 'holder.json'

/**
 * Notes that this process has the folder's locks. Only a message depends on it, so a note that
 * cannot be written keeps nothing from opening.
 */
export function noteHolder(folder: string, address: string | null): void {
  const holder: Holder = { pid: process.pid, host: hostname(), address }
  try {
    writeFileSync(join(folder, fileName), `${JSON.stringify(holder)}\n`, { mode: 0o600 })
  } catch {}
}

/** Removes the note of this process, before it gives the locks back. */
export function clearHolder(folder: string): void {
  try {
    const holder = readHolder(folder)
    if (holder !== undefined && isThisProcess(holder)) rmSync(join(folder, fileName))
  } catch {}
}

/**
 * The fault of a process that found the folder's locks taken. It names who has them; the note of a
 * process that was killed stays until another has the locks.
 */
export function dataInUse(folder: string, cause: unknown): SetupError {
  const message = `${folder}: in use by ${describeHolder(folder)}; end that first, or name another data folder`
  return new SetupError('data_in_use', message, { cause })
}

/** `this process`, or `process 4242, http://127.0.0.1:8000`. */
function describeHolder(folder: string): string {
  const holder = readHolder(folder)
  if (holder === undefined) return 'another process'
  const where = holder.address === null ? '' : `, ${holder.address}`
  if (isThisProcess(holder)) return `this process${where}`
  const host = holder.host === hostname() ? '' : ` on ${holder.host}`
  return `process ${holder.pid}${host}${where}`
}

function isThisProcess({ pid, host }: Holder): boolean {
  return pid === process.pid && host === hostname()
}

/** Undefined for a note that is not there, or cannot be read. */
function readHolder(folder: string): Holder | undefined {
  try {
    const { pid, host, address } = JSON.parse(readFileSync(join(folder, fileName), 'utf8')) as Partial<Holder>
    if (!Number.isSafeInteger(pid) || typeof host !== 'string') return undefined
    return { pid: Number(pid), host, address: typeof address === 'string' ? address : null }
  } catch {
    return undefined
  }
}
