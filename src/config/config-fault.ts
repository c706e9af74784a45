import { SetupError } from '../core/setup-error.ts'
import { redact } from './redact.ts'

/** One thing that is wrong with the configuration. Holds no secret. */
export interface ConfigFault {
  /** The flag, environment name or `file: key`. */
  readonly where: string
  readonly expected: string
  /** What was there, as JSON, shortened; or why it could not be read. */
  readonly got: string
  /** What to do about it, where that is known. */
  readonly hint?: string
}

/** Everything that is wrong with the configuration, at once. */
export class ConfigError extends SetupError {
  readonly faults: readonly ConfigFault[]

  constructor(faults: readonly ConfigFault[]) {
    const [first] = faults
    super(
      'config_invalid',
      faults.length === 1 && first !== undefined
        ? formatConfigFault(first)
        : `${faults.length} faults in the configuration:\n${faults.map((fault) => `  ${formatConfigFault(fault)}`).join('\n')}`,
    )
    this.name = 'ConfigError'
    this.faults = faults
  }
}

export function formatConfigFault({ where, expected, got, hint }: ConfigFault): string {
  return `${where}: expected ${expected}, got ${got}${hint === undefined ? '' : ` (${hint})`}`
}

const shownLengthMax = 80

/** A wrong value as a fault shows it: JSON on one line, cut to 80 characters, secrets taken out. */
export function showValue(value: unknown): string {
  if (value === '') return 'an empty text'
  const text = redact(JSON.stringify(value) ?? typeof value)
  return text.length > shownLengthMax ? `${text.slice(0, shownLengthMax)}…` : text
}
