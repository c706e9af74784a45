import type { KeyObject } from 'node:crypto'
import type { Scheduler } from '../../../core/scheduler.ts'
import type { Clock } from '../../../core/time.ts'
import { ledgerEntry } from '../../../ledger/format/record.ts'
import type { Ledger } from '../../../ledger/ledger.ts'
import type { Telemetry } from '../../../telemetry/telemetry.ts'
import { createDroppedReport } from '../../ledger/dropped-report.ts'
import { createRetentionClock } from '../../ledger/retention-clock.ts'
import type { Postgres } from '../postgres.ts'
import { fillIndex } from './fill-index.ts'
import { type DropOptions, type Dropped, dropOldest, hasOld, type LedgerRetention } from './retention.ts'
import { createSettledBlocks } from './settled.ts'
import { dropOldUsage } from './usage/drop-usage.ts'
import { fillUsage, readFilled } from './usage/fill-usage.ts'

export type { LedgerRetention } from './retention.ts'

export interface MaintenanceOptions {
  /** @throws Fault `ledger_unavailable`, by rejecting */
  readonly connect: () => Promise<Postgres>
  readonly signingKey: KeyObject
  readonly retention: LedgerRetention
  /** Milliseconds since the epoch, whole. */
  readonly now: Clock
  /** Milliseconds; never jumps. */
  readonly monotonic: Clock
  readonly scheduler: Scheduler
  /** For records of what was dropped. */
  readonly append: Ledger['append']
  readonly telemetry?: Telemetry | undefined
}

const intervalMs = 1_000
/** Longest turn of the index, of usage and of retention each, before the next. */
const turnMs = 500
/** How long a turn is waited for at the close; its transaction is undone where it takes longer. */
const closeMs = 3_000

/**
 * Indexes the ledger, sums up its usage and drops what is too old, every second, unless the last
 * turn still runs. All nodes try, and one does it.
 */
export function scheduleMaintenance(options: MaintenanceOptions): { readonly close: () => Promise<void> } {
  const { now, monotonic, append, telemetry } = options
  let turn: Promise<void> | undefined
  let isOpen = true
  /** An obstacle is reported once, not every second. */
  let reported: string | undefined
  /** Dropped, but not recorded yet: what cannot be written is written in the next turn. */
  let unrecorded: Dropped | undefined
  const settled = createSettledBlocks(options.scheduler)
  const tellDropped = createDroppedReport(telemetry, monotonic)
  const retentionTime = createRetentionClock({
    now,
    monotonic,
    onJump: (ms) => telemetry?.event('ledger.clock_jumped', { seconds: Math.round(ms / 1_000) }),
  })

  async function maintain(): Promise<void> {
    try {
      const { retention, signingKey } = options
      const time = retentionTime()
      const postgres = await options.connect()
      const until = await settled.find(postgres)
      await repeat(() => fillIndex(postgres, until))
      await repeat(() => fillUsage(postgres, until, false))
      const dropping = { postgres, now: time, retention, signingKey, until }
      if (await hasOld(dropping)) {
        // Usage outlives its records: only what it counts is dropped.
        await repeat(() => fillUsage(postgres, until, true))
        await dropCounted(dropping)
      }
      if (retention.usageMs !== undefined) await dropOldUsage(postgres, retention.usageMs, time)
      await recordDropped()
      reported = undefined
    } catch (fault) {
      const message = fault instanceof Error ? fault.message : String(fault)
      if (message !== reported && isOpen) telemetry?.event('ledger.maintenance_failed', {}, fault)
      reported = message
    }
  }

  const repeat = (work: () => Promise<boolean>): Promise<void> => repeatWhile(() => isOpen, work)

  async function dropCounted(dropping: DropOptions): Promise<void> {
    const { postgres, until } = dropping
    const counted = Math.min(until, await readFilled(postgres.query, postgres.schema))
    await repeat(async () => {
      const dropped = await dropOldest({ ...dropping, until: counted })
      if (dropped === undefined) return false
      unrecorded = { records: (unrecorded?.records ?? 0) + dropped.records, until: dropped.until }
      return true
    })
  }

  async function recordDropped(): Promise<void> {
    if (unrecorded === undefined) return tellDropped()
    await append(ledgerEntry({ at: now(), event: 'ledger.dropped', detail: { ...unrecorded } }))
    tellDropped(unrecorded.records)
    unrecorded = undefined
  }

  const timer = setInterval(() => {
    turn ??= maintain().finally(() => {
      turn = undefined
    })
  }, intervalMs).unref()
  return {
    async close() {
      clearInterval(timer)
      isOpen = false
      await endedOrLate(turn, options.scheduler)
    },
  }
}

async function endedOrLate(turn: Promise<void> | undefined, { after }: Scheduler): Promise<void> {
  const late = Promise.withResolvers<void>()
  const cancel = after(closeMs, late.resolve)
  await Promise.race([turn, late.promise])
  cancel()
}

/** Repeats a work as long as it has something to do, for one turn. */
async function repeatWhile(isOpen: () => boolean, work: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + turnMs
  while (isOpen() && performance.now() < deadline && (await work()));
}
