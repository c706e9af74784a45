import type { OptionRule } from '../core/check-options.ts'
import type { Gate } from './guard.ts'

/** What an adapter asks of the ward it is given. */
export const wardRule: OptionRule = {
  expected: 'a ward, from openModelward or createTestWard',
  accepts: (ward) => typeof (ward as Partial<{ gate: Partial<Gate> }> | null)?.gate?.admit === 'function',
  isRequired: true,
}
