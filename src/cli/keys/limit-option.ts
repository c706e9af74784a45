import { Option } from 'commander'
import { describeValue } from '../../core/check-options.ts'
import { Refusal } from '../../core/refusal.ts'
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

/**
 * Repeats what was typed in each fault of a limit, which an import, whose lines may hold secrets,
 * does not.
 */
export async function repeatingLimits<T>(
  texts: readonly string[] | undefined,
  work: () => T | Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    if (!(thrown instanceof Refusal) || thrown.errors === undefined) throw thrown
    const errors = thrown.errors.map((error) => {
      const [place, index] = error.loc.slice(-2)
      const text = place === 'limits' ? texts?.[Number(index)] : undefined
      return text === undefined ? error : { ...error, msg: `${error.msg}, got ${describeValue(text)}` }
    })
    throw new Refusal(thrown.code, thrown.message, { errors })
  }
}

function isWord(texts: readonly string[], word: string): boolean {
  return texts.some((text) => text.trim().toLowerCase() === word)
}

function refuseBeside(texts: readonly string[], word: string): void {
  if (texts.length > 1) throw usageError('--limit', `expected \`${word}\` alone, got it beside another`)
}
