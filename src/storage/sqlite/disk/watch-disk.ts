import { statfs } from 'node:fs/promises'
import type { Scheduler } from '../../../core/scheduler.ts'
import type { Telemetry } from '../../../telemetry/telemetry.ts'
import { type Ballast, ballastIn } from './ballast.ts'

/** How much room the disk of a data folder has, measured every second. */
export interface DiskWatch {
  /** Whether the reserve is touched: nothing large may be stored. */
  readonly isLow: () => boolean
  /** Whether half of it is gone: nothing may begin whose result would be stored. */
  readonly isCritical: () => boolean
  /** Whether so many bytes leave the reserve alone; counts them until they are measured. */
  readonly take: (bytes: number) => boolean
  readonly close: () => Promise<void>
}

export interface DiskWatchOptions {
  readonly folder: string
  /** Bytes that stay free for records and changes of keys. */
  readonly reserveBytes: number
  /** The disk is full, and some room was made: what can be deleted should be, now. */
  readonly onFull: () => Promise<void>
  readonly scheduler: Scheduler
  readonly telemetry?: Telemetry | undefined
  /** Free bytes of the folder's disk. @default asks the system */
  readonly measure?: (folder: string) => Promise<number>
}

const intervalMs = 1_000
/** What is stored is written twice: into the write-ahead log, and from there into its file. */
const writes = 2
/** Of the reserve, held by a file until the disk is full: for deleting, which needs room too. */
const ballastShare = 1 / 8
/** Of the reserve: with less free, the disk is full. */
const fullShare = 1 / 16

/** Measures once before it resolves. A disk that cannot be asked keeps its last measure. */
export async function watchDisk(options: DiskWatchOptions): Promise<DiskWatch> {
  const { folder, reserveBytes, scheduler } = options
  const watch = new Watch(options, ballastIn(folder, Math.ceil(reserveBytes * ballastShare)))
  await watch.look()
  let isClosed = false
  let looking = Promise.resolve()
  let cancel = plan()
  function plan(): () => void {
    return scheduler.after(intervalMs, () => {
      looking = watch.look().then(() => {
        if (!isClosed) cancel = plan()
      })
    })
  }
  return {
    isLow: () => watch.isLow,
    isCritical: () => watch.free < reserveBytes / 2,
    take: (bytes) => watch.take(bytes * writes),
    async close() {
      isClosed = true
      cancel()
      await looking
    },
  }
}

class Watch {
  free = Number.POSITIVE_INFINITY
  isLow = false
  #isFull = false
  /** Taken since the last measure, and since the one before: that may not be written yet. */
  #taken = 0
  #takenBefore = 0
  readonly #options: DiskWatchOptions
  readonly #ballast: Ballast

  constructor(options: DiskWatchOptions, ballast: Ballast) {
    this.#options = options
    this.#ballast = ballast
  }

  take(bytes: number): boolean {
    const left = this.free - this.#taken - this.#takenBefore - bytes
    if (this.isLow || left < this.#options.reserveBytes) return false
    this.#taken += bytes
    return true
  }

  /** Never rejects. */
  async look(): Promise<void> {
    const { folder, reserveBytes, measure = freeBytes } = this.#options
    try {
      this.free = await measure(folder)
      this.#takenBefore = this.#taken
      this.#taken = 0
      // Not over at once, so that it is not told again and again.
      const hasRoom = this.free >= reserveBytes * (1 + ballastShare)
      if (this.free < reserveBytes) this.#noteLow()
      if (this.free < reserveBytes * fullShare) await this.#noteFull()
      if (hasRoom) await this.#noteRoom()
    } catch {
      // Asked again in the next turn; what is stored meanwhile reports a disk that is out.
    }
  }

  #noteLow(): void {
    if (!this.isLow) this.#options.telemetry?.event('disk.low', { free_bytes: this.free })
    this.isLow = true
  }

  async #noteFull(): Promise<void> {
    if (this.#isFull) return
    this.#isFull = true
    await this.#ballast.giveUp()
    this.#options.telemetry?.event('disk.full', { free_bytes: this.free })
    await this.#options.onFull()
  }

  async #noteRoom(): Promise<void> {
    if (!(await this.#ballast.isThere())) await this.#ballast.create()
    this.#isFull = false
    if (this.isLow) this.#options.telemetry?.event('disk.back', { free_bytes: this.free })
    this.isLow = false
  }
}

/** Bytes that are free on the disk of a folder. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}
