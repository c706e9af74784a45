import type { OptionRule } from '../core/check-options.ts'
import type { Guard } from './guard.ts'

/** What an adapter asks of the ward it is given. */
export const wardRule: OptionRule = {
  expected: 'a ward, from openModelward or createTestWard',
  accepts: (ward) => typeof (ward as Partial<{ guard: Partial<Guard> }> | null)?.guard?.admit === 'function',
  isRequired: true,
}
