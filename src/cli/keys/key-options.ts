import { type Command, Option } from 'commander'
import { findKeyId, looksLikeKey } from '../../core/key-shape.ts'
import type { Idempotency } from '../../idempotency/answer-seal.ts'
import { isKeyId } from '../../keys/record/key-text.ts'
import { usageError } from '../cli-error.ts'
import { collect } from '../common-options.ts'

/** The owner of the command line's idempotency keys. */
const idempotencyOwner = 'cli'

/** Adds `--idempotency-key`. */
export function idempotencyOption(): Option {
  return new Option(
    '--idempotency-key <key>',
    'Makes a retry safe: the same command with the same key, within 24 h, prints what the first one did',
  )
}

/**
 * A retry is recognised by its words and flags as typed: `30d` means another time at each retry.
 */
export function idempotencyOf(
  key: string | undefined,
  request: unknown,
): { readonly idempotency?: Idempotency } {
  if (key === undefined) return {}
  if (!/^[!-~]{1,255}$/.test(key))
    throw usageError('--idempotency-key', 'expected 1 to 255 visible ASCII characters')
  return { idempotency: { owner: idempotencyOwner, key, request } }
}

/** Adds `--scope`, which may be there several times. */
export function scopeOption(describes: string): Option {
  return new Option('--scope <scope>', `${describes}; repeat it for several`).argParser(collect)
}

/** Adds `--address`, which may be there several times. */
export function addressOption(): Option {
  return new Option(
    '--address <block>',
    'Address or CIDR block the key may be used from; repeat it for several',
  ).argParser(collect)
}

/**
 * Reads `--metadata`.
 *
 * @throws CliError `usage_invalid`; the text itself is not shown
 */
export function parseMetadata(text: string): Readonly<Record<string, unknown>> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw usageError('--metadata', 'expected a JSON object, got something that is not JSON')
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw usageError('--metadata', 'expected a JSON object, got another kind of JSON')
  return parsed as Readonly<Record<string, unknown>>
}

/** Shows how a command is used, below its help. */
export function addExamples(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText(
    'after',
    `\nExamples:\n${lines.map((line) => `  $ modelward ${line}`).join('\n')}`,
  )
}

/**
 * Checks the id of a key as typed.
 *
 * @param where the argument or flag that it was typed for
 * @throws CliError `usage_invalid`
 */
export function checkKeyId(text: string, where: string): string {
  if (isKeyId(text)) return text
  refuseWholeKey(text, where)
  throw usageError(where, 'expected the 12 letters and digits of a key id')
}

/**
 * Recognises a whole key in the place of an id or a name, and does not repeat it: it is in the
 * shell's history now.
 *
 * @throws CliError `usage_invalid`
 */
export function refuseWholeKey(text: string, where: string): void {
  if (!looksLikeKey(text)) return
  const id = findKeyId(text)
  const known = id === undefined ? '' : `; its id is ${id}`
  throw usageError(
    where,
    `expected a key id, got a whole key${known}, and as command lines are recorded, it should be rotated`,
  )
}
