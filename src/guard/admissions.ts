import type { Usage } from '../limits/usage.ts'
import type { Caller, CallerOf } from './caller.ts'
import type { Gate } from './guard.ts'
import { createRequestNote } from './request-note.ts'

/** Who was admitted to each request, and what it took of its limits, by gate: where two wards guard one route, each has its own. */
export interface Admissions<Asked extends object> {
  /** A caller of null is anonymous, where a scheme allows one. */
  readonly remember: (asked: Asked, gate: Gate, caller: Caller | null, usage: Usage) => void
  /**
   * The caller that this ward's guard admitted last.
   *
   * @throws TypeError where none ran
   */
  readonly callerOf: <Required extends boolean>(
    asked: Asked,
    ward: { readonly gate: Gate<Required> },
  ) => CallerOf<Required>
  /**
   * What was taken through this ward.
   *
   * @throws TypeError where no guard of it ran
   */
  readonly usageOf: (asked: Asked, ward: { readonly gate: Gate }) => Usage
}

interface Admission {
  readonly gate: Gate
  readonly caller: Caller | null
  readonly usage: Usage
  readonly earlier: Admission | undefined
}

export function createAdmissions<Asked extends object>(): Admissions<Asked> {
  const admissions = createRequestNote<Asked, Admission>('admissions')
  const find = (asked: Asked, gate: Gate): Admission => {
    for (let by = admissions.get(asked); by !== undefined; by = by.earlier) if (by.gate === gate) return by
    throw new TypeError('no caller was admitted for this request: no guard of this ward has seen it')
  }
  return {
    remember(asked, gate, caller, usage) {
      admissions.set(asked, { gate, caller, usage, earlier: admissions.get(asked) })
    },
    // What a gate admits is what its schemes allow, which is what its type says.
    callerOf: <Required extends boolean>(asked: Asked, { gate }: { readonly gate: Gate<Required> }) =>
      find(asked, gate).caller as CallerOf<Required>,
    usageOf: (asked, { gate }) => find(asked, gate).usage,
  }
}
