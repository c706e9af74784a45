/**
 * A stored owner: the limits that all its keys share. Every other owner is only a name that keys
 * have. Times are milliseconds since the epoch, UTC.
 */
export interface OwnerRecord {
  /** The opaque id that keys name as their owner. */
  readonly owner: string
  /**
   * Counts the changes, from 1. A change names the version it was made from, so that none is lost.
   */
  readonly version: number
  /** Each in its shortest form; empty means none. */
  readonly limits: readonly string[]
  readonly createdAt: number
  readonly updatedAt: number
}
