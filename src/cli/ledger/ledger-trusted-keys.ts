import { readFileSync } from 'node:fs'
import { isSigned, type LedgerCheckpoint } from '../../ledger/format/checkpoint.ts'
import { parseCheckpoint, parseTruncationPoint } from '../../ledger/verify/checkpoint-trust.ts'
import { isPublicKey } from '../../secrets/signing-key.ts'
import { CliError, usageError } from '../cli-error.ts'

/**
 * Reads stored checkpoints: a file of JSON lines as `ledger checkpoint` prints them. Their
 * signatures must fit.
 *
 * @throws CliError `input_invalid`
 */
export function readCheckpoints(file: string): readonly LedgerCheckpoint[] {
  const lines = readText(file)
    .split('\n')
    .map((line, index) => ({ line: line.trim(), where: `${file}, line ${index + 1}` }))
    .filter(({ line }) => line !== '')
  if (lines.length === 0) throw new CliError('input_invalid', `${file}: expected a checkpoint, got nothing`)
  return lines.map(({ line, where }) => {
    const value = parseJson(line)
    if (parseTruncationPoint(value) !== undefined)
      throw new CliError(
        'input_invalid',
        `${where}: expected a checkpoint, got a base, which stands for dropped records in a ledger`,
      )
    const checkpoint = parseCheckpoint(value)
    if (checkpoint === undefined)
      throw new CliError(
        'input_invalid',
        `${where}: expected a checkpoint as \`ledger checkpoint\` prints it`,
      )
    if (!isSigned(checkpoint))
      throw new CliError('input_invalid', `${where}: the checkpoint’s signature does not fit`)
    return checkpoint
  })
}

/** @throws CliError `usage_invalid` */
export function readPublicKey(text: string): string {
  if (!isPublicKey(text))
    throw usageError('--public-key', 'expected 32 bytes in base64url, which are 43 letters and digits')
  return text
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'an error'
    throw new CliError('input_invalid', `${file}: cannot be read (${code})`)
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
