import { createHash } from 'node:crypto'
import type { JobChange } from '../../../../jobs/job-queue.ts'

/** What a node tells the others: that jobs have changed, and no more than their ids. */
export interface Hint {
  /** Who tells it. */
  readonly node: string
  /** Jobs may have become due. */
  readonly isDue: boolean
  /** Which have changed; undefined for any. */
  readonly ids?: readonly string[]
}

/**
 * Where nodes tell their hints: channels are of the whole database, so the name is of the schema.
 */
export function hintChannel(schema: string): string {
  return `modelward_jobs_${createHash('sha256').update(schema).digest('hex').slice(0, 32)}`
}

/** PostgreSQL takes 8,000 bytes at most. */
const payloadBytes = 7_000

/** Where the ids are too many for a notification, it says to look at all. */
export function writeHint({ node, isDue, ids }: Hint): string {
  const text = JSON.stringify([node, isDue, ...(ids ?? [])])
  return ids !== undefined && Buffer.byteLength(text) <= payloadBytes ? text : JSON.stringify([node, isDue])
}

/** Undefined for what is no hint: anybody who may connect may notify. */
export function readHint(text: string): Hint | undefined {
  let read: unknown
  try {
    read = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!Array.isArray(read)) return undefined
  const [node, isDue, ...ids] = read as unknown[]
  if (typeof node !== 'string' || typeof isDue !== 'boolean') return undefined
  if (!ids.every((id) => typeof id === 'string')) return undefined
  return { node, isDue, ...(ids.length > 0 && { ids }) }
}

/** A hint as watchers get it. */
export function changeOf({ isDue, ids }: Pick<Hint, 'isDue' | 'ids'>): JobChange {
  return { jobs: [], isDue, ...(ids !== undefined && { others: ids }) }
}
