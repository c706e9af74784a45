import { formatWarning, type KeyWarning } from '../../keys/fields/key-warnings.ts'
import { tell } from '../terminal/output.ts'

/** Tells people, on standard error, what was probably not meant. */
export function tellWarnings(warnings: readonly KeyWarning[]): void {
  for (const warning of warnings) tell(`warning: ${formatWarning(warning)}`)
}
