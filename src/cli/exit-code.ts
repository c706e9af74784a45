import type { Fault, FaultCode } from '../core/fault.ts'
import type { Refusal } from '../core/refusal.ts'
import type { SetupError } from '../core/setup-error.ts'

/** What the process ends with. Scripts rely on these. */
export const exitCodes = {
  /** Done, and the answer is good. */
  ok: 0,
  /**
   * Refused, or the answer is bad: no such key, a change that is not allowed, leaked keys found, a
   * check failed.
   */
  refused: 1,
  /**
   * What was typed or configured is wrong: flags, arguments, settings, an import file. Nothing was
   * done.
   */
  usage: 2,
  /** Something outside stands in the way: the data folder, the database, the port, the disk. */
  environment: 3,
  /** A defect of this program. */
  internal: 4,
} as const

export function exitCodeOfRefusal({ code }: Refusal): number {
  return code === 'input_invalid' ? exitCodes.usage : exitCodes.refused
}

const outages: readonly FaultCode[] = ['store_unavailable', 'ledger_unavailable', 'limiter_unavailable']

export function exitCodeOfFault({ code }: Fault): number {
  return outages.includes(code) ? exitCodes.environment : exitCodes.internal
}

export function exitCodeOfSetupError({ code }: SetupError): number {
  return code === 'config_invalid' ? exitCodes.usage : exitCodes.environment
}
