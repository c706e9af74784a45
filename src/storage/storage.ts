import type { KeyObject } from 'node:crypto'
import type { Scheduler } from '../core/scheduler.ts'
import type { Clock } from '../core/time.ts'
import type { KeyStore } from '../keys/store/key-store.ts'
import type { LedgerCheckpoint } from '../ledger/format/checkpoint.ts'
import type { LedgerEvent } from '../ledger/format/event.ts'
import type { Ledger, LedgerReader } from '../ledger/ledger.ts'
import type { LedgerVerification, LedgerVerifyOptions } from '../ledger/verify/verify-ledger.ts'
import type { Limiter } from '../limits/limiter.ts'
import type { Peppers } from '../secrets/peppers.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { JobStore } from './job-store.ts'

/**
 * Everything a deployment stores, behind one port: a data folder, or PostgreSQL and Redis.
 * `openStorage` opens all of it or nothing.
 */
export interface Storage {
  readonly keys: KeyStore
  /** The same store as `keys`: changing an owner changes its keys, in one commit. */
  readonly owners: OwnerStore
  /** Undefined if opened with `ledger: 'none'`. */
  readonly ledger: Ledger | undefined
  /** Undefined unless opened with `jobs`. */
  readonly jobs: JobStore | undefined
  /** May be composed: windows in one store, quotas in another, one fail mode around both. */
  readonly limiter: Limiter
  readonly secrets: StorageSecrets
  /** What the deployment's times are of: a fleet's nodes share one. @default the process's own */
  readonly clock?: Clock
  /** The nodes of a fleet, and which of them this is; undefined where one server is all. */
  readonly nodes?: StorageNodes
  readonly inspect: StorageInspection
  /**
   * Registers this process as a server of the deployment.
   *
   * @throws SetupError `data_in_use` if only one server is allowed and there is one
   */
  readonly startServing: () => Promise<Serving>
  /**
   * What cannot be served just now though all else can: `jobs` on a disk that fills, `limits` where
   * what they have to store cannot be, `keys` after a row was found that is not the one that was
   * written.
   */
  readonly degraded: () => readonly string[]
  /** For keys that were restored from a backup: see `StorageOptions.isRestored`. */
  readonly restored: {
    /** The latest change that the ledger's records know of; 0 if they know of none. */
    readonly recordedChange: number
    /** Lets the keys be opened again from here on, as they are. */
    readonly accept: () => Promise<void>
  }
  /** Whether the disk has stopped answering: nothing can be recorded until it does. */
  readonly isStalled: () => boolean
  /**
   * Stores something, to see whether it can.
   *
   * @throws Fault `ledger_unavailable`, by rejecting
   */
  readonly ensureWritable: () => Promise<void>
  /**
   * Closes every store above. A store whose disk does not answer is given up after seconds.
   * The second call does nothing.
   */
  readonly close: () => Promise<void>
}

/** A server of a deployment, as long as it is one. */
export interface Serving {
  /** Tells where it listens, for the messages of others. */
  readonly announce: (address: string) => void
  readonly end: () => Promise<void>
}

/** The servers that are one deployment. */
export interface StorageNodes {
  /** Names this one: a UUID. */
  readonly id: string
  readonly list: () => Promise<readonly FleetNode[]>
}

/** One server of a fleet, as it was seen last. */
export interface FleetNode {
  /** A UUID, of one run of a server. */
  readonly id: string
  /** Of its machine. */
  readonly name: string
  /** Of Modelward. */
  readonly version: string
  /** The newest version of the database's schema that it knows. */
  readonly schemaKnown: number
  /** Milliseconds since the epoch, of the database's clock. */
  readonly startedAt: number
  readonly seenAt: number
  /** Whether it was seen within ten seconds. */
  readonly isLive: boolean
}

export type OwnerStore = Pick<KeyStore, 'findOwner' | 'replaceOwner' | 'listOwners'>

export interface StorageSecrets {
  /** Checked: the stored keys were made with these. */
  readonly peppers: Peppers
  /**
   * Hands a secret text to the operator and to no other user; returns where it is. Undefined in a
   * fleet, which has no place for secrets.
   */
  readonly handOver?: (name: string, text: string) => string
}

/** How a deployment's storage is opened, whatever technology is behind it. */
export interface StorageOptions {
  /** Whether to create what is missing; otherwise a missing deployment is `data_missing`. */
  readonly create: boolean
  /** Peppers from the environment. @default the storage's own */
  readonly pepper?: string | undefined
  /** Whether to open keys that are older than the ledger; others refuse them. @default false */
  readonly isRestored?: boolean | undefined
  /** @default opened, and its stream begun at once */
  readonly ledger?: LedgerStorageOptions | 'none' | undefined
  /** Whether to open the jobs. @default false */
  readonly jobs?: boolean
  /**
   * Bytes of the disk that jobs leave free, for records and changes of keys.
   * @default none, and nothing watches the disk
   */
  readonly diskReserveBytes?: number | undefined
  /**
   * Whether windows of an hour and more, and quotas, outlive this process. Where only one process
   * can store them, `always` fails with `data_in_use` if another does, and `if_free` then counts in
   * memory and reports it. @default 'never'
   */
  readonly storeUsage?: 'always' | 'if_free' | 'never' | undefined
  /** @default Date.now */
  readonly clock?: Clock | undefined
  /** Never jumps. @default performance.now */
  readonly monotonic?: Clock | undefined
  /** @default the process's own timers */
  readonly scheduler?: Scheduler | undefined
  /** Background faults, and their end. @default none */
  readonly telemetry?: Telemetry | undefined
}

/** How a deployment's ledger is written. */
export interface LedgerStorageOptions {
  /** Milliseconds after which records are dropped. @default never */
  readonly keepMs?: number | undefined
  /** Milliseconds that sums of usage outlive their records by. @default for ever */
  readonly usageKeepMs?: number | undefined
  /** Stored bytes above which the oldest records are dropped. @default never */
  readonly bytesMax?: number | undefined
  /**
   * For a process that records little and ends soon, if it records at all: nothing is opened before
   * the first record, and each commit is a stream of its own, with a signed end. @default false
   */
  readonly isLazy?: boolean
  /** Called with every signed checkpoint once it is durable. */
  readonly onCheckpoint?: ((checkpoint: LedgerCheckpoint) => void) | undefined
}

/**
 * Reads a deployment's storage without opening it for writing: for `doctor`, `scan` and `ledger`.
 * Changes nothing, except that `signingKey` creates a missing key.
 */
export interface StorageInspection {
  /** What is in order and what is not. Never rejects for a fault that it can report. */
  readonly findings: (options: { readonly pepper: string | undefined }) => Promise<readonly StorageFinding[]>
  /** The keys, to look some up; undefined if the deployment does not exist. */
  readonly openKeys: (options: {
    readonly pepper: string | undefined
  }) => Promise<Pick<KeyStore, 'findKey' | 'close'> | undefined>
  readonly ledger: LedgerInspection
  /** The nodes of a fleet, the live ones first; none with a data folder. */
  readonly nodes: () => Promise<readonly FleetNode[]>
}

export interface LedgerInspection {
  /** What messages call the ledger: a path, or a host and a name. */
  readonly name: string
  /** @throws SetupError `data_missing` if the deployment does not exist */
  readonly exists: () => Promise<boolean>
  /** A ledger that does not exist yet reads as empty, and is read once it does. */
  readonly openReader: () => Promise<LedgerReader>
  /** The last record of each stream; the stream that was written last comes first. */
  readonly readHeads: () => Promise<readonly LedgerHead[]>
  /** Signs checkpoints; created, with an event, if missing. */
  readonly signingKey: (telemetry: Telemetry) => Promise<KeyObject>
  /** Its public half and those of earlier ones, base64url; none if there is no key. */
  readonly publicKeys: () => Promise<readonly string[]>
  /**
   * Verifies every block, base and stream, the index, and the sums of usage, as far as their
   * records are kept. Retention may drop records meanwhile.
   */
  readonly verify: (options: LedgerTrust) => Promise<LedgerVerification>
}

/** Whose signatures count, and what was stored elsewhere. */
export interface LedgerTrust extends Pick<LedgerVerifyOptions, 'trustedKeys' | 'checkpoints'> {
  /** Called now and then with the number of records read so far. */
  readonly onProgress?: ((records: number) => void) | undefined
}

/** How far a stream has come: its last record. */
export interface LedgerHead {
  /** 32 hex digits. */
  readonly stream: string
  readonly seq: number
  /** The chain at that record, 64 hex digits. */
  readonly hash: string
  readonly event: LedgerEvent
}

/** What one check of a storage found. */
export interface StorageFinding {
  readonly check: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly message: string
  /** What to do about it. */
  readonly todo?: string | undefined
}
