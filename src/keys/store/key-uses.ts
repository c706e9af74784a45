import { every, type Scheduler } from '../../core/scheduler.ts'
import type { Clock } from '../../core/time.ts'
import type { LedgerReader } from '../../ledger/ledger.ts'
import { createOutageReport } from '../../telemetry/outage-report.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { type KeyStore, type KeyUse, keyUsesMax } from './key-store.ts'

const minuteMs = 60_000
const hourMs = 3_600_000
const dayMs = 86_400_000
/** How long after its opening a process first looks for what another did not come to write. */
const beginMs = 1_000
/**
 * Keys noted between two writes: some 10 MiB. Of more in a minute the ledger tells: see `catchUp`.
 */
const unwrittenMax = 100_000

export interface KeyUsesOptions {
  readonly store: Pick<KeyStore, 'listKeys' | 'noteUses'>
  /** Tells of uses that a process could not write. @default none: a crash loses the last minute */
  readonly ledger?: Pick<LedgerReader, 'usage'> | undefined
  /** Milliseconds since the epoch. */
  readonly clock: Clock
  /** Never jumps. */
  readonly monotonic: Clock
  readonly scheduler: Scheduler
  readonly telemetry: Telemetry
}

/** When keys were used last, to the minute, written to their store in the background. */
export interface KeyUses {
  /** Notes that a key's secret was proven at this moment. Costs a request one look into a map. */
  readonly note: (keyId: string, at: number) => void
  /** Writes what is left. A store that is out does not make it fail. */
  readonly close: () => Promise<void>
}

/**
 * Keeps `KeyRecord.lastUsedAt`. Uses are written every minute, and at close; what cannot be written
 * is written with those of the next minute. What a process that died had not written is in the
 * ledger, and any process writes it: soon after it opens, and once a day.
 */
export function createKeyUses(options: KeyUsesOptions): KeyUses {
  const { ledger, clock, monotonic, scheduler, telemetry } = options
  const openedAt = clock()
  let unwritten = new Map<string, number>()
  /** From when on the ledger may know more than the store; undefined until the store has told. */
  let unsure: { readonly since: number | undefined } | undefined
  let caughtUpAt = Number.NEGATIVE_INFINITY
  let writing: Promise<void> | undefined
  const outage = createOutageReport('keys.uses_not_written', telemetry, { clock, scheduler })

  function note(keyId: string, at: number): void {
    const minute = at - (at % minuteMs)
    if (unwritten.get(keyId) === minute) return
    if (unwritten.size < unwrittenMax || unwritten.has(keyId)) unwritten.set(keyId, minute)
    else caughtUpAt = Number.NEGATIVE_INFINITY
  }

  async function write(): Promise<void> {
    const uses = unwritten
    unwritten = new Map()
    try {
      if (ledger !== undefined && unsure === undefined) {
        if (await isNewSince(options, openedAt)) caughtUpAt = monotonic()
        unsure = { since: await readUnsure(options) }
      }
      const noted = [...uses].map(([keyId, at]) => ({ keyId, at }))
      await writeUses(options, noted)
      await catchUp()
    } catch (fault) {
      for (const [keyId, at] of uses) if (!unwritten.has(keyId)) note(keyId, at)
      outage.failed(fault)
      return
    }
    outage.passed()
  }

  /** Writes what the ledger knows: of this process too, where too many keys were used at once. */
  async function catchUp(): Promise<void> {
    if (ledger === undefined || monotonic() - caughtUpAt < dayMs) return
    const now = clock()
    caughtUpAt = monotonic()
    try {
      const rows = await ledger.usage({ by: ['key'], since: unsure?.since })
      const uses = rows.flatMap(({ keyId, lastUsedAt }) => useOf(keyId, lastUsedAt))
      await writeUses(options, uses)
      unsure = { since: unsureBefore(now) }
    } catch (fault) {
      caughtUpAt = Number.NEGATIVE_INFINITY
      throw fault
    }
  }

  function writeNext(): void {
    if (unwritten.size === 0 && (ledger === undefined || monotonic() - caughtUpAt < dayMs)) return
    writing ??= write().finally(() => {
      writing = undefined
    })
  }

  const cancelFirst = ledger === undefined ? () => {} : scheduler.after(beginMs, writeNext)
  const cancel = every(scheduler, minuteMs, writeNext)
  return {
    note,
    async close() {
      cancelFirst()
      cancel()
      await writing
      if (unwritten.size > 0) await write()
      outage.stop()
    },
  }
}

/** From when on stored keys may lack a use; undefined where none was ever used. */
async function readUnsure({ store, clock }: KeyUsesOptions): Promise<number | undefined> {
  const { keys } = await store.listKeys({ sort: 'last_used_at', descending: true, limit: 1 })
  const last = keys[0]?.lastUsedAt ?? undefined
  // A clock that had leapt ahead may have written it.
  return last === undefined ? undefined : unsureBefore(Math.min(last, clock()))
}

/**
 * Whether no key is older than this process, so that another has left no use unwritten. The
 * ledger's reader is a thread of some 20 MiB: a new deployment does without it.
 */
async function isNewSince({ store }: KeyUsesOptions, openedAt: number): Promise<boolean> {
  const { keys, damaged } = await store.listKeys({ sort: 'created_at', descending: false, limit: 1 })
  return damaged === undefined && keys.every(({ createdAt }) => createdAt > openedAt)
}

/** In slices: other work of this process gets its turn between them. */
async function writeUses(
  { store, scheduler }: Pick<KeyUsesOptions, 'store' | 'scheduler'>,
  uses: readonly KeyUse[],
): Promise<void> {
  for (let at = 0; at < uses.length; at += keyUsesMax) {
    if (at > 0) await scheduler.yieldTurn()
    await store.noteUses(uses.slice(at, at + keyUsesMax))
  }
}

/**
 * A process may hold uses back for a minute, or as long as its store is out, and each process looks
 * once a day for those of one that died. Whole hours: the ledger sums them up quickly.
 */
function unsureBefore(at: number): number {
  const since = at - 2 * dayMs
  return since - (since % hourMs)
}

function useOf(keyId: string | null, at: number | null): readonly KeyUse[] {
  return keyId === null || at === null ? [] : [{ keyId, at: at - (at % minuteMs) }]
}
