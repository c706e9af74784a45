import type { StoredBytesBounds, StoredBytesFull } from '../../../idempotency/stored-bytes.ts'
import type { JobAnswers } from '../../../jobs/job.ts'
import { bytesOfAnswers, rowBytes } from '../../job-row-bytes.ts'
import type { SqliteDatabase } from '../database.ts'

/**
 * Whether there is room, by the counts that the triggers keep: exact after any crash, for they
 * change in the commit of what they count.
 */
export interface JobBytes {
  /** @param added what is to be stored, by owner */
  readonly findFull: (
    added: readonly (readonly [owner: string, bytes: number])[],
    bounds: StoredBytesBounds,
  ) => StoredBytesFull | undefined
  /**
   * For answers to a job's inputs. The job was accepted, so they may go a quarter beyond the
   * bounds: without that, whatever was accepted last could not end.
   *
   * @param isWhole whether they are the last, and stand in the place of the inputs
   */
  readonly findFullWithAnswers: (
    stored: { readonly place: number; readonly answerBytes: number },
    added: readonly JobAnswers[],
    isWhole: boolean,
    bounds: StoredBytesBounds,
  ) => StoredBytesFull | undefined
}

export function createJobBytes(database: SqliteDatabase): JobBytes {
  const countAll = database.prepare<{ bytes: number }>('SELECT bytes FROM totals WHERE id = 1')
  const countOwned = database.prepare<{ bytes: number }>('SELECT bytes FROM owners WHERE owner = ?')
  const countOthers = database.prepare<{ bytes: number; all_others: number; owned_others: number }>(
    `SELECT jobs.bytes, totals.bytes - jobs.bytes AS all_others, owners.bytes - jobs.bytes AS owned_others
      FROM jobs JOIN owners ON owners.owner = jobs.owner JOIN totals ON totals.id = 1 WHERE place = ?`,
  )
  return {
    findFull(added, { bytesMax, ownerBytesMax }) {
      let all = countAll.get()?.bytes ?? 0
      for (const [owner, bytes] of added) {
        all += bytes
        if ((countOwned.get(owner)?.bytes ?? 0) + bytes > ownerBytesMax) return 'owner_bytes_full'
      }
      return all > bytesMax ? 'bytes_full' : undefined
    },
    findFullWithAnswers({ place, answerBytes }, added, isWhole, { bytesMax, ownerBytesMax }) {
      const counted = countOthers.get(place)
      if (counted === undefined) throw new Error(`the job at ${place} is counted nowhere`)
      const bytes = bytesOfAnswers(added) + (isWhole ? rowBytes + answerBytes : counted.bytes)
      if (counted.owned_others + bytes > 1.25 * ownerBytesMax) return 'owner_bytes_full'
      return counted.all_others + bytes > 1.25 * bytesMax ? 'bytes_full' : undefined
    },
  }
}
