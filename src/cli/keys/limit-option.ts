import { Option } from 'commander'
import { describeValue } from '../../core/check-options.ts'
import { Refusal } from '../../core/refusal.ts'
import { parseLimitSettings } from '../../limits/limit-setting.ts'
import { usageError } from '../cli-error.ts'
import { collect } from '../common-options.ts'

/** Adds `--limit`, which may be there several times. */
export function limitOption(describes: string): Option {
  return new Option('--limit <limit>', `${describes}; repeat it for several`).argParser(collect)
}

/**
 * Reads the limits of a key: `none` for no limits, `default` for those of the deployment, which is
 * null.
 *
 * @throws CliError `usage_invalid` where either stands beside another
 */
export function readKeyLimits(texts: readonly string[]): readonly string[] | null {
  if (!isWord(texts, 'default')) return readOwnerLimits(texts)
  refuseBeside(texts, 'default')
  return null
}

/**
 * Reads the limits of an owner: `none` for no limits.
 *
 * @throws CliError `usage_invalid` where it stands beside another; Refusal `input_invalid` with
 *   each text that is no limit
 */
export function readOwnerLimits(texts: readonly string[]): readonly string[] {
  if (!isWord(texts, 'none')) return checked(texts)
  refuseBeside(texts, 'none')
  return []
}

/** Repeats what was typed, which an import, whose lines may hold secrets, does not. */
function checked(texts: readonly string[]): readonly string[] {
  const errors = parseLimitSettings(texts).faults.map(({ index, message }) => ({
    loc: ['body', 'limits', index],
    msg: `${message}, got ${describeValue(texts[index])}`,
    type: 'limit',
  }))
  if (errors.length > 0) throw new Refusal('input_invalid', undefined, { errors })
  return texts
}

function isWord(texts: readonly string[], word: string): boolean {
  return texts.some((text) => text.trim().toLowerCase() === word)
}

function refuseBeside(texts: readonly string[], word: string): void {
  if (texts.length > 1) throw usageError('--limit', `expected \`${word}\` alone, got it beside another`)
}
