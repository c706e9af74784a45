import type { Scheduler } from '../../../core/scheduler.ts'
import type { Clock } from '../../../core/time.ts'
import type { UsageStore } from '../../../limits/usage-store.ts'
import { createOutageReport, type OutageReport } from '../../../telemetry/outage-report.ts'
import type { Telemetry } from '../../../telemetry/telemetry.ts'
import { isOfDisk } from './of-disk.ts'

/** Gets what came of each write of one file. */
export type DiskReport = Pick<OutageReport, 'failed' | 'passed'>

/** Whether the disk of a data folder can be used, told once for all that write there. */
export interface DiskOutage {
  /** For what one part writes. It is over once each part that failed has written again. */
  readonly of: (part: string) => DiskReport
  /** Tells no more. */
  readonly stop: () => void
}

/** Milliseconds without a failure until it is over: on a full disk some writes find a place. */
const calmMs = 2_000

/**
 * One pair of events for a disk that is full, fails or does not answer, however many files and
 * requests notice. What else is wrong with one file, such as another program's lock, is not the
 * disk's: that has the events of the part.
 */
export function createDiskOutage(
  telemetry: Telemetry | undefined,
  timing: { readonly scheduler: Scheduler; readonly clock: Clock | undefined },
): DiskOutage {
  const told = () => ({ store: 'data folder' })
  const outage = createOutageReport('store.unreachable', telemetry, {
    ...{ ...timing, calmMs },
    begin: told,
    end: told,
    explains: (name, cause) => name.startsWith('disk.') || isOfDisk(cause),
  })
  const failing = new Set<string>()
  return {
    of: (part) => ({
      failed(cause) {
        if (!isOfDisk(cause)) return
        failing.add(part)
        outage.failed(cause)
      },
      passed() {
        if (failing.delete(part) && failing.size === 0) outage.passed()
      },
    }),
    stop: outage.stop,
  }
}

/** Stored usage whose writes say what came of them. */
export function reportWrites(store: UsageStore, { failed, passed }: DiskReport): UsageStore {
  const reporting =
    <Args extends readonly unknown[]>(write: (...args: Args) => void) =>
    (...args: Args): void => {
      try {
        write(...args)
      } catch (fault) {
        failed(fault)
        throw fault
      }
      passed()
    }
  return { ...store, write: reporting(store.write), mark: reporting(store.mark) }
}
