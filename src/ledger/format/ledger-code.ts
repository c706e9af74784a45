import { faults } from '../../core/fault.ts'
import { refusals } from '../../core/refusal.ts'

/** Every code that a record may have: those of refusals and of faults. */
export const ledgerCodes: readonly string[] = [...Object.keys(refusals), ...Object.keys(faults)]
