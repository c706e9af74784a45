import { SetupError } from '../../../core/setup-error.ts'
import { recordsOf } from '../../../ledger/format/block.ts'
import { decodeEntry } from '../../../ledger/format/encoding.ts'
import type { LedgerHead } from '../../storage.ts'
import { setupErrorOf } from '../sqlite-error.ts'
import { openLedgerDatabaseToRead } from './ledger-database.ts'

interface HeadRow {
  readonly stream: string
  readonly first_seq: number
  readonly count: number
  readonly body: Uint8Array
}

/**
 * The last record of every stream that has any, the stream that was written last first. Reads what is durable, beside whoever writes.
 *
 * @throws SetupError as `openLedgerDatabaseToRead`
 */
export function readLedgerHeads(file: string): readonly LedgerHead[] {
  const database = openLedgerDatabaseToRead(file)
  try {
    return database
      .prepare<HeadRow>(
        `SELECT stream.id AS stream, first_seq, count, body FROM block JOIN stream ON stream.number = block.stream
          WHERE block.id IN (SELECT max(id) FROM block GROUP BY stream) ORDER BY block.id DESC`,
      )
      .all()
      .map((row) => headOf(row, file))
  } catch (error) {
    throw setupErrorOf(error, file)
  } finally {
    database.close()
  }
}

function headOf({ stream, first_seq: firstSeq, count, body }: HeadRow, file: string): LedgerHead {
  try {
    const last = recordsOf(body).at(-1)
    if (last === undefined) throw new RangeError('ledger: a block without a record')
    return {
      stream,
      seq: firstSeq + count - 1,
      hash: Buffer.from(last.link).toString('hex'),
      event: decodeEntry(last.entry).event,
    }
  } catch (error) {
    // What cannot be read must not be vouched for.
    throw new SetupError('data_corrupt', `${file}: the last block of stream ${stream} is damaged`, {
      cause: error,
    })
  }
}
