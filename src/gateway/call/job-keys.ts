import type { Scheduler } from '../../core/scheduler.ts'
import type { Guard } from '../../guard/guard.ts'

/** The keys of jobs under way. */
export interface JobKeys {
  /**
   * Does the work of a key's job, and gives it up as soon as its store says that the key is revoked
   * or disabled.
   *
   * @throws Refusal `key_revoked`, `key_disabled`: the signal's reason then; before the work too
   * @throws Fault `store_unavailable`: the work has not begun
   */
  readonly run: <T>(
    keyId: string,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
  ) => Promise<T>
  readonly close: () => void
}

/** Between two looks at a key whose store is out, in milliseconds. */
const againMs = 1_000

export function createJobKeys(
  { checkRevoked, onKeysChanged }: Pick<Guard, 'checkRevoked' | 'onKeysChanged'>,
  { after }: Pick<Scheduler, 'after'>,
): JobKeys {
  const byKey = new Map<string, Set<AbortController>>()

  async function check(keyId: string): Promise<void> {
    if (!byKey.has(keyId)) return
    try {
      const refusal = await checkRevoked(keyId)
      if (refusal !== undefined) for (const work of byKey.get(keyId) ?? []) work.abort(refusal)
    } catch {
      // A store that is out says nothing, and has an event of its own: it is asked until it does.
      after(againMs, () => void check(keyId))
    }
  }

  const stop = onKeysChanged((keyIds) => {
    for (const id of keyIds === 'all' ? [...byKey.keys()] : keyIds) void check(id)
  })

  return {
    async run(keyId, signal, work) {
      const own = new AbortController()
      // Before the look, so that no change falls between.
      const works = byKey.get(keyId) ?? new Set()
      byKey.set(keyId, works.add(own))
      try {
        const refusal = await checkRevoked(keyId)
        if (refusal !== undefined) throw refusal
        return await work(AbortSignal.any([signal, own.signal]))
      } finally {
        works.delete(own)
        if (works.size === 0 && byKey.get(keyId) === works) byKey.delete(keyId)
      }
    },
    close: stop,
  }
}
