import type { Caller, CallerOf } from '../core/caller.ts'
import type { Gate } from './gate.ts'
import { createRequestNote } from './request-note.ts'

/** Who was admitted to a request, and by which gate: where two wards guard one route, each has its own caller. */
export interface AdmittedCallers<Asked extends object> {
  /** Null: an anonymous caller, where a scheme allows one. */
  readonly remember: (asked: Asked, gate: Gate, caller: Caller | null) => void
  /**
   * The caller that this ward's guard admitted.
   *
   * @throws TypeError where none ran
   */
  readonly get: <Required extends boolean>(
    asked: Asked,
    ward: { readonly gate: Gate<Required> },
  ) => CallerOf<Required>
}

interface Admitted {
  readonly gate: Gate
  readonly caller: Caller | null
  readonly earlier: Admitted | undefined
}

export function createAdmittedCallers<Asked extends object>(): AdmittedCallers<Asked> {
  const admitted = createRequestNote<Asked, Admitted>('admitted callers')
  return {
    remember(asked, gate, caller) {
      admitted.set(asked, { gate, caller, earlier: admitted.get(asked) })
    },
    get<Required extends boolean>(asked: Asked, { gate }: { readonly gate: Gate<Required> }) {
      for (let by = admitted.get(asked); by !== undefined; by = by.earlier)
        if (by.gate === gate) return by.caller as CallerOf<Required>
      throw new TypeError('no caller was admitted for this request: no guard of this ward has seen it')
    },
  }
}
