import type { LedgerCheckpoint } from './format/checkpoint.ts'
import type { LedgerEvent } from './format/event.ts'
import type { LedgerEntry, LedgerRecord } from './format/record.ts'

/** Which records: those that meet every condition. */
export interface LedgerFilter {
  readonly keyId?: string | undefined
  readonly owner?: string | undefined
  readonly code?: string | undefined
  readonly event?: LedgerEvent | undefined
  /** Any of these events. */
  readonly events?: readonly LedgerEvent[] | undefined
  /** The route's pattern, letter by letter. */
  readonly route?: string | undefined
  readonly requestId?: string | undefined
  /** From this moment on, milliseconds since the epoch. */
  readonly since?: number | undefined
  /** Before this moment. */
  readonly until?: number | undefined
}

/** One page of records. */
export interface LedgerQuery extends LedgerFilter {
  /** 1 to 1,000. */
  readonly limit: number
  /** The newest first, or in the order they were written. */
  readonly order: 'newest' | 'oldest'
  /** A record's `position`: only those that come after it in the order. */
  readonly after?: string | undefined
}

/** A page of records. */
export interface LedgerPage {
  readonly records: readonly LedgerRecord[]
  /**
   * Where the next page begins; undefined for the last page. With `oldest` always the last record's
   * `position`, to continue from when there are more.
   */
  readonly next: string | undefined
}

/** What rows of usage can be grouped by; days and months are UTC. */
export type UsageGroup = 'key' | 'owner' | 'route' | 'model' | 'day' | 'month'

/** Which usage. */
export interface UsageQuery extends Pick<LedgerFilter, 'keyId' | 'owner' | 'since' | 'until'> {
  /** What there is a row for. */
  readonly by: readonly UsageGroup[]
}

/** Usage, summed up from request records. A field is null if rows are not grouped by it. */
export interface UsageRow {
  readonly keyId: string | null
  readonly owner: string | null
  /** The route's pattern; `other` for all beyond the first 500. */
  readonly route: string | null
  /** `detail.model` of the records; `other` for all beyond the first 500. */
  readonly model: string | null
  /** `2026-11-24`. */
  readonly day: string | null
  /** `2026-11`. */
  readonly month: string | null
  /** Billable ones: the sum of `measures.requests`. */
  readonly requests: number
  /** Billable ones that were admitted. */
  readonly admitted: number
  /** Admitted, and no customer is charged for them: see `Demand.billable`. */
  readonly operational: number
  /** How many requests of either kind were refused or failed, by code. */
  readonly refused: Readonly<Record<string, number>>
  /** Of billable requests. */
  readonly measures: Readonly<Record<string, number>>
  /** Of admitted billable requests, in milliseconds; null for none. */
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number } | null
  /**
   * When a request of either kind was admitted, or refused to a key whose secret was proven, last:
   * milliseconds since the epoch.
   */
  readonly lastUsedAt: number | null
}

/** Reads records. Every method rejects with the fault `ledger_unavailable`. */
export interface LedgerReader {
  readonly query: (query: LedgerQuery) => Promise<LedgerPage>
  readonly usage: (query: UsageQuery) => Promise<readonly UsageRow[]>
  readonly close: () => Promise<void>
}

/** A stream without an end, whose writer is gone. */
export interface LeftStream {
  /** 32 hex digits. */
  readonly id: string
  /** When it was written last, milliseconds since the epoch. */
  readonly writtenAt: number
  /** The node of a fleet that wrote it; null where that is back. @default there are no nodes */
  readonly node?: string | null
}

/** The streams that dead processes have left without an end. */
export interface LeftStreams {
  /** The one that was written last comes first. */
  readonly streams: readonly LeftStream[]
  /**
   * Whether a stream leaves the list when a work was done for it. Otherwise it stays, and one may
   * have been looked after by the process that began to serve behind it.
   */
  readonly isCleared: boolean
}

/**
 * The durable record of every decision and every change. Records of one process are chained: see
 * `format/chain.ts`.
 */
export interface Ledger extends LedgerReader {
  /**
   * Resolves once the entry is durable: no power cut loses it. Entries are recorded in the order of
   * the calls.
   *
   * @throws Fault `ledger_unavailable`, by rejecting: it is unknown whether it was written
   */
  readonly append: (entry: LedgerEntry) => Promise<void>
  /** Writes a signed checkpoint. */
  readonly checkpoint: () => Promise<LedgerCheckpoint>
  /**
   * Runs a work for the streams that dead processes have left, unless another process does so now
   * or there are no such streams. For a server that is the only one of its folder, or a node.
   *
   * @default other streams are not known
   * @throws Fault `ledger_unavailable`, by rejecting; whatever the work rejects with
   */
  readonly withLeft?: (work: (left: LeftStreams) => Promise<void>) => Promise<void>
  /**
   * Whether its disk has stopped answering: each entry is refused at once, until it answers again.
   * @default never
   */
  readonly isStalled?: () => boolean
  /**
   * Ends the stream with a checkpoint. Where the disk does not answer, it gives up after seconds.
   */
  readonly close: () => Promise<void>
}
