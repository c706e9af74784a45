import type { Refusal } from '../../core/refusal.ts'
import type { Scheduler } from '../../core/scheduler.ts'
import type { Exchange } from '../../guard/exchange/exchange.ts'
import type { Guard } from '../../guard/guard.ts'

/** A call that can be ended from outside. */
export interface EndableCall {
  readonly exchange: Exchange
  readonly revoke: (refusal: Refusal) => void
  /** Resolves when its end is recorded. */
  readonly shutDown: () => Promise<void>
}

/** The calls under way, by the key that asked. */
export interface OpenCalls {
  readonly add: (call: EndableCall) => void
  readonly delete: (call: EndableCall) => void
  readonly size: () => number
  /** Ends all that are left: the grace of a shutdown is over. */
  readonly shutDown: () => Promise<void>
  readonly close: () => void
}

/** Between two looks at a key whose store is out, in milliseconds. */
const againMs = 1_000

function idOf({ exchange }: EndableCall): string {
  return exchange.known?.keyId ?? ''
}

/** Cuts the calls of a key that is revoked or disabled, as soon as its store says so. */
export function createOpenCalls(
  guard: Pick<Guard, 'checkAgain' | 'onKeysChanged'>,
  { after }: Pick<Scheduler, 'after'>,
): OpenCalls {
  const byKey = new Map<string, Set<EndableCall>>()
  let size = 0

  async function check(call: EndableCall): Promise<void> {
    if (byKey.get(idOf(call))?.has(call) !== true) return
    try {
      const refusal = await guard.checkAgain(call.exchange)
      if (refusal !== undefined) call.revoke(refusal)
    } catch {
      // A store that is out says nothing, and has an event of its own: it is asked until it does.
      after(againMs, () => void check(call))
    }
  }

  const stop = guard.onKeysChanged((keyIds) => {
    for (const id of keyIds === 'all' ? [...byKey.keys()] : keyIds)
      for (const call of byKey.get(id) ?? []) void check(call)
  })

  return {
    add(call) {
      const id = idOf(call)
      const calls = byKey.get(id) ?? new Set()
      byKey.set(id, calls.add(call))
      size += 1
    },
    delete(call) {
      const id = idOf(call)
      const calls = byKey.get(id)
      if (calls?.delete(call) !== true) return
      size -= 1
      if (calls.size === 0) byKey.delete(id)
    },
    size: () => size,
    async shutDown() {
      const left = [...byKey.values()].flatMap((calls) => [...calls])
      await Promise.all(left.map((call) => call.shutDown()))
    },
    close: stop,
  }
}
