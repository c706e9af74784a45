import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { processScheduler, type Scheduler } from '../../core/scheduler.ts'

/** Where lines go that are lost, rather than waited for, when their reader is slow. */
export interface LossyOutput {
  readonly write: (line: string) => void
}

export interface LossyOutputOptions {
  /** Writes what fits without waiting and gives how many bytes; throws where nothing fits. */
  readonly writeSome: (bytes: Uint8Array) => number
  /** The line that tells how many were lost: written once a second, as soon as there is room. */
  readonly tellLost: (lines: number) => string
  readonly scheduler?: Scheduler | undefined
}

/** How long lost lines are counted before they are told, in milliseconds. */
const waitMs = 1_000

export function createLossyOutput(options: LossyOutputOptions): LossyOutput {
  const { writeSome, tellLost, scheduler = processScheduler } = options
  /** The end of a line whose beginning was written: it comes first, or two lines would be mixed. */
  let rest: Uint8Array = new Uint8Array(0)
  let lost = 0
  let isWaiting = false

  /** Whether all of it is written, or at least begun. */
  function put(bytes: Uint8Array): boolean {
    try {
      rest = bytes.subarray(writeSome(bytes))
      return true
    } catch {
      // Full, or gone: a log that cannot be written is no reason to stop answering.
      return false
    }
  }

  const hasRoom = (): boolean => rest.length === 0 || (put(rest) && rest.length === 0)

  /** Begins to wait for the reader, where something is left to write. */
  function waitForReader(): void {
    if (isWaiting || (lost === 0 && rest.length === 0)) return
    isWaiting = true
    scheduler.after(waitMs, catchUp)
  }

  function catchUp(): void {
    isWaiting = false
    if (hasRoom() && lost > 0 && put(Buffer.from(tellLost(lost)))) lost = 0
    waitForReader()
  }

  return {
    write(line) {
      if (!hasRoom() || !put(Buffer.from(line))) lost += 1
      waitForReader()
    },
  }
}

/**
 * How to write to an open file of this process without waiting for its reader. A pipe or terminal
 * is opened once more: that a write must not wait then holds for these lines alone, and not for
 * what other programs write to the same terminal. Where the system does not open it again, a slow
 * reader is waited for.
 */
export function writerWithoutWait(fd: number): LossyOutputOptions['writeSome'] {
  const own = reopen(fd)
  return (bytes) => writeSync(own, bytes)
}

function reopen(fd: number): number {
  if (!isatty(fd) && !fstatSync(fd).isFIFO()) return fd
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return fd
  }
}
