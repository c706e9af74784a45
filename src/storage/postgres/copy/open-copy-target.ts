import { type CopiedTable, copiedBlocks } from '../../copy/copied-tables.ts'
import { commandDeadlines, openPostgres } from '../postgres.ts'
import { prepareSchema } from '../schema.ts'
import { type CopiedHistory, createCopiedHistory } from './copied-history.ts'
import { type CopiedRows, createCopiedRows } from './copied-rows.ts'
import {
  type CopyState,
  claimDatabase,
  endCopy,
  endHistory,
  readCopyState,
  type WantedCopy,
} from './copy-state.ts'

/** A database that a deployment is copied into. */
export interface CopyTarget {
  /** What messages call it. */
  readonly name: string
  /** Undefined where nothing was copied into it. */
  readonly state: () => Promise<CopyState | undefined>
  /** @throws SetupError `database_foreign` where there is another deployment */
  readonly claim: (wanted: WantedCopy) => Promise<CopyState>
  readonly rows: (table: CopiedTable) => CopiedRows
  /**
   * From here on nodes may open it.
   *
   * @param ended what the copy came to, as JSON
   * @param publicKey of the deployment's signing key
   */
  readonly end: (state: CopyState, ended: unknown, publicKey: string) => Promise<void>
  /** Of a copy whose history follows behind. */
  readonly history: CopiedHistory & {
    /** All of it is here. @param ended as `end` takes it */
    readonly end: (state: CopyState, ended: unknown) => Promise<void>
  }
  readonly close: () => Promise<void>
}

/** Milliseconds of one statement: a page of large rows, on a slow network. */
const queryMs = 60_000

/**
 * Opens a database to copy into it; its schema is created where it is missing.
 *
 * @throws SetupError `database_*`, `data_newer`, `peer_missing`; Fault `store_unavailable`
 */
export async function openCopyTarget(url: string): Promise<CopyTarget> {
  await prepareSchema(url)
  const postgres = await openPostgres({
    ...commandDeadlines,
    ...{ url, fault: 'store_unavailable', connectionsMax: 1, queryTimeoutMs: queryMs },
  })
  return {
    name: postgres.name,
    state: () => readCopyState(postgres.query, postgres.schema),
    claim: (wanted) => claimDatabase(postgres, wanted),
    rows: (table) => createCopiedRows(postgres, table),
    end: (state, ended, publicKey) => endCopy(postgres, state, ended, publicKey),
    history: {
      ...createCopiedHistory(postgres, copiedBlocks),
      end: (state, ended) => endHistory(postgres, state, ended),
    },
    close: postgres.close,
  }
}
