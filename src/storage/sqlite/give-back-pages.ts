import { readValue, type SqliteDatabase } from './database.ts'

/** Pages in one transaction: commits wait meanwhile. 1 MiB. */
const pagesAtOnce = 256

/**
 * Frees unused pages at the end of a file, in short transactions. The file shrinks when the
 * write-ahead log is copied into it.
 *
 * @param pagesKept unused pages that stay, for what is stored next
 * @param deadline when to leave the rest for the next time, by `performance.now()`
 * @returns how many pages were freed, and how many are left that should be
 */
export function giveBackPages(
  database: SqliteDatabase,
  pagesKept: number,
  deadline: number,
): { readonly freed: number; readonly left: number } {
  const unused = (): number => Math.max(0, Number(readValue(database, 'PRAGMA freelist_count')) - pagesKept)
  const before = unused()
  let left = before
  while (left > 0 && performance.now() < deadline) {
    database.exec(`PRAGMA incremental_vacuum(${Math.min(left, pagesAtOnce)})`)
    left = unused()
  }
  return { freed: before - left, left }
}
