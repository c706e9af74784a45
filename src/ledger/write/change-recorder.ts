import { Fault } from '../../core/fault.ts'
import { replaceKeys } from '../../core/key-shape.ts'
import type { Clock } from '../../core/time.ts'
import type { LedgerEvent } from '../format/event.ts'
import { type LedgerEntry, ledgerEntry } from '../format/record.ts'
import type { EntryWriter } from './entry-writer.ts'

/** A change that was made. */
export interface Change {
  readonly event: Extract<
    LedgerEvent,
    `key.${string}` | `keys.${string}` | `owner.${string}` | 'webhook.secret_rotated'
  >
  readonly keyId: string | null
  readonly owner: string
  /** Anything else: names of fields, a reason. Never a secret. */
  readonly detail?: NonNullable<LedgerEntry['detail']>
}

/**
 * Records changes to keys, owners and webhook secrets. The change is made first and recorded
 * second: a record of a change that failed would be wrong for good. After a record could not be
 * written, the next change waits until a checkpoint has been written, so that an outage leaves at
 * most one change without a record.
 */
export interface ChangeRecorder {
  /** Whose changes these are: a key's id, or a name such as `cli`; null without a name. */
  readonly author: string | null
  /**
   * Resolves if a change may be made.
   *
   * @throws Fault `ledger_unavailable`, by rejecting: nothing has been changed
   */
  readonly ensureWritable: () => Promise<void>
  /**
   * Resolves once all of these are durable.
   *
   * @throws Fault `ledger_unavailable`, by rejecting. The changes have been made, and its message
   *   says so
   */
  readonly record: (changes: readonly Change[]) => Promise<void>
  /** The same for another author: a key's id, or a name such as `cli`. */
  readonly by: (who: string) => ChangeRecorder
}

export function createChangeRecorder(options: {
  readonly writer: EntryWriter
  readonly clock: Clock
  readonly by: string | null
  /** How far the changes of the keys' store have come, which includes what is to be recorded. */
  readonly latestChange: () => Promise<number>
}): ChangeRecorder {
  const { writer, clock, by, latestChange } = options
  return {
    author: by,
    ensureWritable: writer.ensureWritable,
    async record(changes) {
      if (!writer.isOn) return
      const number = await latestChange().catch(unrecorded)
      const written = changes.map(({ detail, ...change }) =>
        writer.write(ledgerEntry({ ...change, at: clock(), detail: { by, ...detail, change: number } })),
      )
      const failed = (await Promise.allSettled(written)).find(({ status }) => status === 'rejected')
      if (failed?.status === 'rejected') unrecorded(failed.reason)
    },
    by: (who) => createChangeRecorder({ ...options, by: who }),
  }
}

function unrecorded(cause: unknown): never {
  throw new Fault('ledger_unavailable', 'the change was made, and could not be recorded', { cause })
}

/** An administrator's text, such as a reason, without keys that were pasted into it. */
export function withoutKeys(text: string): string {
  return replaceKeys(text, () => '[key]')
}
