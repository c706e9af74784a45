import { Fault } from '../../../core/fault.ts'
import { bufferOf, lastFrameOf } from '../../../ledger/format/block.ts'
import { decodeEntry } from '../../../ledger/format/encoding.ts'
import type { LeftStream } from '../../../ledger/ledger.ts'
import { openLedgerDatabaseToRead } from './ledger-database.ts'

/**
 * The streams behind the last server that ended its own, without the newest of them, which is that
 * of the process that asks; the one that was written last comes first. A folder does not tell
 * whether the app of another process still writes one: it may be among them.
 *
 * @throws Fault `ledger_unavailable`
 */
export function readLeftStreams(file: string): readonly LeftStream[] {
  try {
    const open = readOpenStreams(file)
    const own = Math.max(...open.map(({ number }) => number))
    return open.filter(({ number }) => number !== own)
  } catch (cause) {
    throw new Fault('ledger_unavailable', 'ledger: the ends of its streams cannot be read', { cause })
  }
}

function readOpenStreams(file: string): readonly (LeftStream & { readonly number: number })[] {
  const database = openLedgerDatabaseToRead(file)
  try {
    // A seek for each stream: some 10 ms for 10,000 of them.
    const streams = database
      .prepare<{ number: number; id: string; last: number | null }>(
        `SELECT number, id, (SELECT max(block.id) FROM block WHERE block.stream = stream.number) AS last
          FROM stream ORDER BY last DESC`,
      )
      .all()
    const block = database.prepare<{ body: Uint8Array }>('SELECT body FROM block WHERE id = ?')
    const open: (LeftStream & { readonly number: number })[] = []
    for (const { number, id, last } of streams) {
      const found = last === null ? undefined : block.get(last)
      // Retention dropped all of it.
      if (found === undefined) continue
      const body = bufferOf(found.body)
      const { start, end } = lastFrameOf(body)
      const { event, at, detail } = decodeEntry(body.subarray(start, end))
      if (event !== 'ledger.closed') open.push({ number, id, writtenAt: at })
      // The end of a command's stream is signed: it has a detail.
      else if (detail === null) break
    }
    return open
  } finally {
    database.close()
  }
}
