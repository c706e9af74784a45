import type { StoredBytesBounds } from '../../../idempotency/stored-bytes.ts'
import type { JobStore } from '../../job-store.ts'
import type { DiskWatch } from './watch-disk.ts'

/**
 * A store of jobs that leaves the disk's reserve to the ledger and the keys. While it is touched,
 * no job and no new answer is stored; jobs that are there go on until half of it is gone, and then
 * wait: one that was accepted is not given up. Ending, cancelling and deleting always go on.
 */
export function leaveReserve(store: JobStore, disk: Omit<DiskWatch, 'close'>): JobStore {
  return {
    ...store,
    submit(submission) {
      let bytes = 0
      for (const { inputs } of submission.jobs) bytes += Buffer.byteLength(inputs)
      return store.submit(
        disk.take(bytes) ? submission : { ...submission, bounds: withoutRoom(submission.bounds) },
      )
    },
    // A stored answer is given all the same.
    reserve: (reservation, now, bounds) =>
      store.reserve(reservation, now, disk.isLow() ? withoutRoom(bounds) : bounds),
    // Jobs that became dead are still found.
    claim: (ask) => store.claim(disk.isCritical() ? { ...ask, max: 0 } : ask),
  }
}

function withoutRoom<Bounds extends StoredBytesBounds>(bounds: Bounds): Bounds {
  return { ...bounds, bytesMax: 0, ownerBytesMax: Number.POSITIVE_INFINITY }
}
