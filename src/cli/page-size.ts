import { usageError } from './cli-error.ts'

/** How long a page of a list is, as in the admin API. */
export const pageSize = 100
export const pageSizeMax = 1_000

/**
 * Reads the `--limit` of a list, which is how many lines it gives and no limit of a key.
 *
 * @throws CliError `usage_invalid`
 */
export function parsePageSize(text: string | undefined): number {
  if (text === undefined) return pageSize
  const size = Number(text)
  if (!/^\d{1,4}$/.test(text) || size < 1 || size > pageSizeMax)
    throw usageError('--limit', `expected an integer from 1 to ${pageSizeMax}, got ${JSON.stringify(text)}`)
  return size
}
