import type { Command } from 'commander'
import { signCheckpoint } from '../../ledger/format/checkpoint.ts'
import type { LedgerEvent } from '../../ledger/format/event.ts'
import type { OperationalEvent } from '../../telemetry/telemetry.ts'
import { createTelemetry } from '../../telemetry/telemetry.ts'
import { inspectStorage } from '../../ward/open-storage.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig, placeOf } from '../common-options.ts'
import { addExamples } from '../keys/key-options.ts'
import { print, tell } from '../terminal/output.ts'

export function defineLedgerCheckpoint(command: Command): void {
  command.action(async (options: CommonOptions) => {
    const { ledger } = await inspectStorage(placeOf(loadCommandConfig(options)))
    if (!(await ledger.exists())) {
      if (options.json !== true) tell(`${ledger.name}: there is no ledger yet.`)
      return
    }
    const heads = await ledger.readHeads()
    const unsigned = heads.filter(({ event }, index) => index === 0 || !isVouchedFor(event))
    if (unsigned.length === 0) return
    const signingKey = await ledger.signingKey(createTelemetry([tellEvent]))
    const at = Date.now()
    const lines = unsigned.map((head) => `${JSON.stringify(signCheckpoint({ ...head, at }, signingKey))}\n`)
    await print(lines.join(''))
  })
  addCommonOptions(command)
  command.addHelpText(
    'after',
    '\nPrints what `ledger verify --checkpoint` takes: one line of JSON for the stream that was written last, and one for every\n' +
      'other that has records which no checkpoint in the ledger vouches for. Each process that writes has a stream of its own.\n' +
      'Store the lines where a process that can truncate the ledger cannot change them. Needs no server.',
  )
  addExamples(command, 'ledger checkpoint >> /mnt/elsewhere/checkpoints.jsonl')
}

/**
 * Writers sign in the ledger itself: a stream that ends in a checkpoint, or closed after one, has
 * no record since.
 */
function isVouchedFor(event: LedgerEvent): boolean {
  return event === 'ledger.checkpoint' || event === 'ledger.closed'
}

/** On standard error: standard output is the checkpoint alone. */
function tellEvent({ message, fields }: OperationalEvent): void {
  tell(`${message} ${JSON.stringify(fields)}`)
}
