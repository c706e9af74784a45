import { durationForms, parseDuration, parseMoment, parseMomentAgo, timeForms } from '../../core/time.ts'
import { usageError } from '../cli-error.ts'

/**
 * Reads a moment as people give it to a flag: a duration from now, or a time.
 *
 * @throws CliError `usage_invalid`
 */
export function parseWhen(flag: string, text: string, now: number): Date {
  const ms = parseMoment(text, now)
  if (ms === undefined) throw notThis(flag, `a duration from now, ${durationForms}, or ${timeForms}`, text)
  return new Date(ms)
}

/**
 * Reads when a key ends, which is not now. A time that has passed is for the key service to judge.
 *
 * @throws CliError `usage_invalid`
 */
export function parseExpiry(text: string, now: number): Date {
  if (parseDuration(text) === 0) throw usageError('--expires', 'expected a time to come')
  return parseWhen('--expires', text, now)
}

/**
 * Reads a moment that lies behind: a duration ago, a time, or milliseconds since the epoch.
 *
 * @returns milliseconds since the epoch
 * @throws CliError `usage_invalid`
 */
export function parseWhenAgo(flag: string, text: string, now: number): number {
  const ms = parseMomentAgo(text, now)
  if (ms === undefined) throw notThis(flag, `a duration ago, ${durationForms}, or ${timeForms}`, text)
  return ms
}

/**
 * Reads how long something goes on.
 *
 * @returns milliseconds
 * @throws CliError `usage_invalid`
 */
export function parseHowLong(flag: string, text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined) throw notThis(flag, `a duration, ${durationForms}`, text)
  return ms
}

function notThis(flag: string, expected: string, text: string): Error {
  return usageError(flag, `expected ${expected}, got ${JSON.stringify(text)}`)
}
