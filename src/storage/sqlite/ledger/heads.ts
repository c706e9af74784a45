import { SetupError } from '../../../core/setup-error.ts'
import { bufferOf, lastFrameOf } from '../../../ledger/format/block.ts'
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
 * The head of every stream that has records, the stream written last first. Reads what is durable,
 * beside the writers.
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
    const bytes = bufferOf(body)
    const { start, end, next } = lastFrameOf(bytes)
    return {
      stream,
      seq: firstSeq + count - 1,
      hash: bytes.toString('hex', end, next),
      event: decodeEntry(bytes.subarray(start, end)).event,
    }
  } catch (error) {
    // What cannot be read must not be signed.
    throw new SetupError('data_corrupt', `${file}: the last block of stream ${stream} is damaged`, {
      cause: error,
    })
  }
}
