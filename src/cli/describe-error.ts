import { CommanderError } from 'commander'
import { ConfigError } from '../config/config-fault.ts'
import { redact } from '../config/redact.ts'
import { Fault } from '../core/fault.ts'
import { type InputError, Refusal } from '../core/refusal.ts'
import { SetupError } from '../core/setup-error.ts'
import { CliError, type ErrorPart } from './cli-error.ts'
import { exitCodeOfFault, exitCodeOfRefusal, exitCodeOfSetupError, exitCodes } from './exit-code.ts'

/** An error as the command line reports it: no secret in any part. */
export interface ErrorReport {
  readonly code: string
  readonly message: string
  readonly parts: readonly ErrorPart[]
  readonly exitCode: number
}

/** Whatever a command threw, as it is reported. */
export function describeError(thrown: unknown): ErrorReport {
  const { code, message, parts, exitCode } = classifyError(thrown)
  return {
    code,
    message: redact(message),
    parts: parts.map((part) => ({ where: redact(part.where), message: redact(part.message) })),
    exitCode,
  }
}

function classifyError(thrown: unknown): ErrorReport {
  if (thrown instanceof CliError) return thrown
  if (thrown instanceof ConfigError) return describeConfigError(thrown)
  if (thrown instanceof SetupError) return report(thrown, exitCodeOfSetupError(thrown))
  if (thrown instanceof Refusal) return describeRefusal(thrown)
  if (thrown instanceof Fault) return report(thrown, exitCodeOfFault(thrown))
  if (thrown instanceof CommanderError) return describeUsage(thrown)
  // Deno's, whose sentence names the flag that permits it.
  if (thrown instanceof Error && thrown.name === 'NotCapable')
    return {
      code: 'config_invalid',
      message: `Deno: ${thrown.message}`,
      parts: [],
      exitCode: exitCodes.usage,
    }
  const what = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
  return { code: 'internal', message: `this is a defect: ${what}`, parts: [], exitCode: exitCodes.internal }
}

function report(error: { readonly code: string; readonly message: string }, exitCode: number): ErrorReport {
  return { code: error.code, message: error.message, parts: [], exitCode }
}

function describeConfigError(error: ConfigError): ErrorReport {
  const parts = error.faults.map(({ where, expected, got, hint }) => ({
    where,
    message: `expected ${expected}, got ${got}${hint === undefined ? '' : ` (${hint})`}`,
  }))
  return summarise('config_invalid', 'faults in the configuration', parts, exitCodes.usage)
}

function describeRefusal(refusal: Refusal): ErrorReport {
  const exitCode = exitCodeOfRefusal(refusal)
  if (refusal.errors === undefined) return report(refusal, exitCode)
  return summarise(refusal.code, 'faults in what was given', refusal.errors.map(describeInputError), exitCode)
}

/** Names the flag that sets the field of a key or an owner. */
const flagOfField: Readonly<Record<string, string>> = {
  scopes: '--scope',
  addresses: '--address',
  limits: '--limit',
  expires_at: '--expires',
  not_before: '--not-before',
}

function describeInputError({ loc, msg }: InputError): ErrorPart {
  const [place, field = '', ...rest] = loc
  // What is part of a path in HTTP is an argument here.
  if (place === 'path') return { where: String(field), message: msg }
  const item = typeof rest[0] === 'number' ? ` (number ${rest[0] + 1})` : ''
  return { where: `${flagOfField[field] ?? `--${field}`}${item}`, message: msg }
}

/** One fault is a line of its own; several are counted and listed. */
function summarise(code: string, what: string, parts: readonly ErrorPart[], exitCode: number): ErrorReport {
  const [only] = parts
  if (parts.length === 1 && only !== undefined)
    return { code, message: `${only.where}: ${only.message}`, parts, exitCode }
  return { code, message: `${parts.length} ${what}`, parts, exitCode }
}

/**
 * Commander's sentence, without its `error: ` and without the value of a flag that it does not
 * know: that may be a secret.
 */
function describeUsage(error: CommanderError): ErrorReport {
  const message = error.message
    .replace(/^error: /, '')
    .replace(/^(unknown option '[^'=]*)=[\s\S]*?'(?=\n|$)/, "$1'")
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join(' ')
  return { code: 'usage_invalid', message, parts: [], exitCode: exitCodes.usage }
}
