import { type BigIntStats, statSync } from 'node:fs'
import { Fault } from '../../core/fault.ts'

/** Notices if open files are deleted, replaced or emptied: what is written to them then is lost. */
export interface WatchedFiles {
  /**
   * Two system calls.
   *
   * @throws Fault `store_unavailable` if a file is not the one it was; passes again once it is back
   */
  readonly check: () => void
}

/** Watches a database and its write-ahead log, both of which exist for as long as it is open. */
export function watchFiles(file: string): WatchedFiles {
  const watched = [file, `${file}-wal`].map((path) => ({ path, identity: identityOf(path)?.identity }))
  return {
    check: () => {
      for (const { path, identity } of watched) {
        const found = identityOf(path)
        const isEmptied = path === file && found?.size === 0n
        if (found !== undefined && found.identity === identity && !isEmptied) continue
        const happened = found === undefined ? 'was deleted' : isEmptied ? 'was emptied' : 'was replaced'
        throw new Fault(
          'store_unavailable',
          `${path} ${happened} while in use; put it back, or start again with the files that are there`,
        )
      }
    },
  }
}

interface Found {
  readonly identity: string
  readonly size: bigint
}

function identityOf(path: string): Found | undefined {
  let found: BigIntStats | undefined
  try {
    found = statSync(path, { bigint: true, throwIfNoEntry: false })
  } catch (error) {
    throw new Fault('store_unavailable', `${path} cannot be looked at`, { cause: error })
  }
  return found && { identity: `${found.dev}:${found.ino}`, size: found.size }
}
