import type { Fault } from '../../../core/fault.ts'
import { isError } from '../../../core/runtime/is-error.ts'
import { isDiskError } from '../sqlite-error.ts'

/** Faults whose cause stayed in another thread, or that say that nothing came. */
const marked = new WeakSet<Error>()

/** Errors of the file system that are the disk's own: no room, no quota, broken, not writable. */
const fileErrors: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS'])

/** Causes of causes that are looked at. */
const depthMax = 8

/** Says of a fault that the disk is its reason. */
export function markOfDisk<Marked extends Fault>(fault: Marked): Marked {
  marked.add(fault)
  return fault
}

/** Whether the reason is the disk of the folder: it is full, fails, or does not answer. */
export function isOfDisk(error: unknown): boolean {
  let at: unknown = error
  for (let depth = 0; depth < depthMax && isError(at); depth += 1) {
    if (marked.has(at) || isDiskError(at) || ('code' in at && fileErrors.has(at.code))) return true
    at = at.cause
  }
  return false
}
