import type { UsageSubject } from '../../ledger/query/usage.ts'
import { addEntry, createUsageCounts } from '../../ledger/query/usage-counts.ts'
import type { UsageEntry } from '../../ledger/query/usage-entry.ts'
import { type UsageGroupCounts, usageWidths } from './usage-cells.ts'

const [hourMs] = usageWidths

/** Most groups that are held in memory: some thirty megabytes. */
export const groupsMax = 32_768

/** An hour, and the blocks with its records. */
export interface UsageHour {
  readonly at: number
  readonly first: number
  last: number
}

/** The groups of one key. A key's entries are mostly of the group that the one before was of. */
interface KeyGroups {
  readonly id: string | null
  readonly byRoute: Map<string | null, UsageGroupCounts[]>
  last: UsageGroupCounts | undefined
}

/**
 * Usage of blocks that follow each other, summed up by hour, key, owner, route and model; found
 * without making one text of them.
 */
export class UsageGroups {
  readonly all: UsageGroupCounts[] = []
  /** By when they begin. */
  readonly hours: Map<number, UsageHour> = new Map()
  readonly #byKey = new Map<string | null, KeyGroups>()
  /** Consecutive entries are often of the same. */
  #lastHour: UsageHour | undefined
  #lastKey: KeyGroups | undefined

  /** @param block that the entry is in: that of the call before, or a later one */
  add(entry: UsageEntry, block: number): void {
    const { at } = this.#hourOf(entry.at, block)
    const key = this.#keyOf(entry.keyId)
    if (key.last === undefined || !isOf(key.last, at, entry)) key.last = groupOf(this.all, key, at, entry)
    addEntry(key.last.counts, entry)
  }

  /** The group of a subject whose `at` is when an hour begins. */
  find(subject: UsageSubject): UsageGroupCounts {
    return groupOf(this.all, this.#keyOf(subject.keyId), subject.at, subject)
  }

  #hourOf(at: number, block: number): UsageHour {
    let hour = this.#lastHour
    if (hour === undefined || at < hour.at || at >= hour.at + hourMs) {
      const begin = at - (at % hourMs)
      hour = this.hours.get(begin)
      if (hour === undefined) {
        hour = { at: begin, first: block, last: block }
        this.hours.set(begin, hour)
      }
      this.#lastHour = hour
    }
    hour.last = block
    return hour
  }

  #keyOf(id: string | null): KeyGroups {
    let key = this.#lastKey
    if (key?.id !== id) {
      key = this.#byKey.get(id)
      if (key === undefined) {
        key = { id, byRoute: new Map(), last: undefined }
        this.#byKey.set(id, key)
      }
      this.#lastKey = key
    }
    return key
  }
}

/** Finds a key's group, or adds one to the list of all. */
function groupOf(
  all: UsageGroupCounts[],
  { id, byRoute }: KeyGroups,
  at: number,
  subject: UsageSubject,
): UsageGroupCounts {
  const { owner, route, model } = subject
  let groups = byRoute.get(route)
  if (groups === undefined) {
    groups = []
    byRoute.set(route, groups)
  }
  for (const group of groups) if (isOf(group, at, subject)) return group
  const group = { subject: { at, keyId: id, owner, route, model }, counts: createUsageCounts() }
  groups.push(group)
  all.push(group)
  return group
}

/** Whether a group of the subject's key is the subject's. */
function isOf({ subject }: UsageGroupCounts, at: number, { owner, route, model }: UsageSubject): boolean {
  return subject.at === at && subject.route === route && subject.model === model && subject.owner === owner
}
