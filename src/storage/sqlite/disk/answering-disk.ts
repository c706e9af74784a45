import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { withinDeadline } from '../../../core/deadline.ts'
import { Fault, type FaultCode } from '../../../core/fault.ts'
import type { Scheduler } from '../../../core/scheduler.ts'
import type { Clock } from '../../../core/time.ts'
import type { DiskReport } from './disk-outage.ts'
import { markOfDisk } from './of-disk.ts'

/** Whether a folder's disk answers, found out without this thread waiting for it. */
export interface AnsweringDisk {
  /**
   * Resolves once the disk has stored something, or had done so a moment ago.
   *
   * @throws Fault `store_unavailable` where it does not answer for 10 s, and from then on at once
   *   until it does; by rejecting
   */
  readonly ensureAnswers: () => Promise<void>
  /**
   * Stores something, and tells what came of it; or had done so a moment ago.
   *
   * @throws Fault `ledger_unavailable`, by rejecting, where it fails or takes more than a second
   */
  readonly ensureStores: () => Promise<void>
  /** Gives the byte its place: on a disk that is full later it takes no room. */
  readonly prepare: () => void
  /** Tells that the disk has stored something else just now. */
  readonly noteAnswer: () => void
  /** Whether it was asked and has not answered in time, nor since. */
  readonly isStalled: () => boolean
  readonly close: () => Promise<void>
}

export interface AnsweringDiskOptions {
  readonly folder: string
  readonly scheduler: Scheduler
  /** Never jumps, in milliseconds. */
  readonly monotonic: Clock
  /** Gets what it did not answer, and that it does again. @default none */
  readonly report?: DiskReport | undefined
  /** Stores something. @default a byte of the file `probe` */
  readonly store?: () => Promise<void>
}

const deadlineMs = 10_000
const ensureStoresMs = 1_000
/** An answer holds for so long: what comes together asks once. */
const freshMs = 250

/**
 * SQLite writes where it is called. A thread that waits for a disk which hangs answers nothing
 * else, so what writes on the main thread asks the disk first, by a byte that a thread of libuv
 * stores. A disk that hangs in between still holds this thread up; one that hung before does not.
 */
export function askDisk(options: AnsweringDiskOptions): AnsweringDisk {
  const { folder, scheduler, monotonic, report } = options
  const probe =
    options.store === undefined
      ? probeIn(folder)
      : { prepare: () => {}, store: options.store, close: async () => {} }
  const { store } = probe
  let answeredAt = Number.NEGATIVE_INFINITY
  let asking: Promise<void> | undefined
  let storing: Promise<void> | undefined
  let storedAt = Number.NEGATIVE_INFINITY
  let isStalled = false

  /** An error is an answer, too: what is written next meets it, and says it better. */
  async function ask(): Promise<void> {
    await store().catch(() => {})
    answeredAt = monotonic()
    asking = undefined
    if (isStalled) report?.passed()
    isStalled = false
  }

  return {
    async ensureAnswers() {
      if (monotonic() - answeredAt < freshMs) return
      if (isStalled) throw stalledFault('store_unavailable')
      asking ??= ask()
      await withinDeadline(asking, {
        ...{ name: 'the disk', code: 'store_unavailable', deadlineMs, scheduler },
        onGiveUp: (fault) => {
          isStalled = true
          report?.failed(markOfDisk(fault as Fault))
        },
      })
    },
    async ensureStores() {
      if (isStalled) throw stalledFault('ledger_unavailable')
      if (monotonic() - storedAt < freshMs) return
      storing ??= store()
        .then(() => {
          storedAt = monotonic()
        })
        .finally(() => {
          storing = undefined
        })
      const stored = storing.catch((cause: unknown) => {
        throw new Fault('ledger_unavailable', 'the disk stores nothing', { cause })
      })
      await withinDeadline(stored, {
        ...{ name: 'the disk', code: 'ledger_unavailable', deadlineMs: ensureStoresMs, scheduler },
      })
    },
    prepare: () => probe.prepare(),
    noteAnswer() {
      answeredAt = monotonic()
    },
    isStalled: () => isStalled,
    // A probe that hangs has the file.
    close: async () => (asking === undefined && storing === undefined ? probe.close() : undefined),
  }
}

function stalledFault(code: FaultCode): Fault {
  return markOfDisk(new Fault(code, 'the disk does not answer'))
}

interface Probe {
  readonly prepare: () => void
  readonly store: () => Promise<void>
  readonly close: () => Promise<void>
}

// A link in its place is not followed.
const probeFlags = constants.O_CREAT | constants.O_RDWR | (constants.O_NOFOLLOW ?? 0)

function probeIn(folder: string): Probe {
  const path = join(folder, 'probe')
  let file: Promise<FileHandle> | undefined
  return {
    prepare: () => makeProbe(path),
    async store() {
      file ??= open(path, probeFlags, 0o600)
      const handle = await file.catch((error: unknown) => {
        // The next asks again.
        file = undefined
        throw error
      })
      await handle.write('.', 0)
      await handle.datasync()
    },
    async close() {
      const handle = await file?.catch(() => undefined)
      await handle?.close()
    },
  }
}

function makeProbe(path: string): void {
  try {
    const made = openSync(path, probeFlags, 0o600)
    try {
      writeSync(made, '.', 0)
    } finally {
      closeSync(made)
    }
  } catch {
    // Where that is not possible, the first to ask says so.
  }
}
