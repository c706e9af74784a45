import type { Usage } from '../core/usage.ts'
import type { Gate } from './gate.ts'
import { createRequestNote } from './request-note.ts'

/** What requests have taken of their limits, by the gate that took it: two wards that guard one route count each for itself. */
export interface TakenUsages<Asked extends object> {
  readonly remember: (asked: Asked, gate: Gate, usage: Usage) => void
  /**
   * What was taken through this ward.
   *
   * @throws TypeError where no guard of it ran
   */
  readonly get: (asked: Asked, ward: { readonly gate: Gate }) => Usage
}

interface Taken {
  readonly gate: Gate
  readonly usage: Usage
  readonly earlier: Taken | undefined
}

export function createTakenUsages<Asked extends object>(): TakenUsages<Asked> {
  const usages = createRequestNote<Asked, Taken>('taken usages')
  return {
    remember(asked, gate, usage) {
      usages.set(asked, { gate, usage, earlier: usages.get(asked) })
    },
    get(asked, { gate }) {
      for (let by = usages.get(asked); by !== undefined; by = by.earlier)
        if (by.gate === gate) return by.usage
      throw new TypeError('no caller was admitted for this request: no guard of this ward has seen it')
    },
  }
}
