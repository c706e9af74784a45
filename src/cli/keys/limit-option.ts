import { Option } from 'commander'
import { usageError } from '../cli-error.ts'
import { collect } from '../common-options.ts'

/** Adds `--limit`, which may be there several times. */
export function limitOption(describes: string): Option {
  return new Option('--limit <limit>', `${describes}; repeat it for several`).argParser(collect)
}

/**
 * Reads the limits of a key: `none` for no limits, `default` for those of the deployment, which is
 * null. What a limit is, is checked where keys are made.
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
 * @throws CliError `usage_invalid` where it stands beside another
 */
export function readOwnerLimits(texts: readonly string[]): readonly string[] {
  if (!isWord(texts, 'none')) return texts
  refuseBeside(texts, 'none')
  return []
}

function isWord(texts: readonly string[], word: string): boolean {
  return texts.some((text) => text.trim().toLowerCase() === word)
}

function refuseBeside(texts: readonly string[], word: string): void {
  if (texts.length > 1) throw usageError('--limit', `expected \`${word}\` alone, got it beside another`)
}
