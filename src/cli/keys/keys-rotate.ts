import type { Command } from 'commander'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { parseHowLong } from '../terminal/parse-when.ts'
import { checkKey, findKey, keyArgument } from './find-key.ts'
import { addExamples, idempotencyOf, idempotencyOption } from './key-options.ts'
import { withKeys } from './open-keys.ts'
import { printIssuedKey } from './print-issued-key.ts'

interface RotateOptions extends CommonOptions {
  readonly overlap?: string
  readonly idempotencyKey?: string
}

export function defineKeysRotate(command: Command): void {
  command
    .argument('<key>', keyArgument)
    .option('--overlap <time>', 'How long the old secret works on, such as 24h (default: not at all)')
    .addOption(idempotencyOption())
    .action(rotateKey)
  addCommonOptions(command)
  addExamples(command, 'keys rotate 7Qm2xT0bKc9Z --overlap 24h', 'keys rotate 7Qm2xT0bKc9Z --json')
}

async function rotateKey(text: string, options: RotateOptions): Promise<void> {
  checkKey(text)
  const overlapMs = options.overlap === undefined ? 0 : parseHowLong('--overlap', options.overlap)
  idempotencyOf(options.idempotencyKey, undefined)
  const issued = await withKeys(loadCommandConfig(options), false, async ({ keys }) => {
    const { id } = await findKey(keys, text)
    const idempotency = idempotencyOf(options.idempotencyKey, ['keys rotate', id, overlapMs])
    return keys.rotate(id, { overlapMs, ...idempotency })
  })
  const end = issued.record.secrets[1]?.endsAt
  const old =
    overlapMs === 0 || typeof end !== 'number' ? 'has ended' : `works until ${new Date(end).toISOString()}`
  await printIssuedKey(
    issued,
    options.json === true,
    `Key ${issued.record.id} has a new secret; the old one ${old}. This is the only time it is shown: store it now.`,
  )
}
