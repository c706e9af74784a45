import { existsSync, statSync } from 'node:fs'
import { Fault } from '../../../core/fault.ts'
import type { SqliteDatabase } from '../database.ts'
import type { KeeperData, ThreadCalls } from './calls.ts'
import { fillIndex } from './index/postings.ts'
import { openLedgerDatabase } from './ledger-database.ts'
import { type LogBounds, logBoundsOf } from './log-bounds.ts'
import { dropOldest } from './retention.ts'

/** Bytes of the write-ahead log from which on it is brought into the file, beside the commits. */
const logBytes = 4 * 2 ** 20
/** How long it takes at most before it looks at its next call; commits never wait for it so long. */
const turnMs = 500
/** Whoever commits comes first: what could not be done now is done the next time. */
const busyTimeoutMs = 100

/** Keeps a ledger's file in shape, as a thread runs it: the write-ahead log short, the index filled, the oldest dropped. */
export function createLedgerKeeper({
  file,
  signingKey,
  retention,
}: KeeperData): Pick<ThreadCalls, 'tend' | 'close'> {
  const logBounds = logBoundsOf(retention.bytes)
  let open: SqliteDatabase | undefined

  function use(): SqliteDatabase {
    if (open === undefined) {
      // It would be made anew: that is the writer's to do, which says so.
      if (!existsSync(file)) throw new Fault('store_unavailable', `${file} was deleted while in use`)
      open = openLedgerDatabase({ file, busyTimeoutMs })
      // Nothing that it writes is missed after a power cut: it is done again.
      open.exec('PRAGMA synchronous = NORMAL')
    }
    return open
  }

  return {
    tend({ now }) {
      const database = use()
      const deadline = performance.now() + turnMs
      shortenLog(database, file, logBounds)
      while (fillIndex(database) && performance.now() < deadline);
      return { dropped: dropOldest({ database, now, retention, signingKey, deadline }) }
    },
    close() {
      open?.close()
      open = undefined
      return undefined
    },
  }
}

function shortenLog(database: SqliteDatabase, file: string, { framesMax, bytesMax }: LogBounds): void {
  const size = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0
  if (size < logBytes) return
  const checkpoint = database.prepare<{ log: number }>('PRAGMA wal_checkpoint(PASSIVE)')
  const frames = checkpoint.get()?.log ?? 0
  // Little is left to do now, when commits are held up for it.
  if (size >= bytesMax) database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  else if (frames >= framesMax) database.exec('PRAGMA wal_checkpoint(RESTART)')
}
