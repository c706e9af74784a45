import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { signCheckpoint } from '../../ledger/format/checkpoint.ts'
import type { LedgerEvent } from '../../ledger/format/event.ts'
import { openDataFolder } from '../../storage/sqlite/data-folder.ts'
import { readLedgerHeads } from '../../storage/sqlite/ledger/heads.ts'
import { ledgerFileOf, openSigningKey } from '../../ward/open-ledger.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { addExamples } from '../keys/key-options.ts'
import { print, tell } from '../terminal/output.ts'

export function defineLedgerCheckpoint(command: Command): void {
  command.action(async (options: CommonOptions) => {
    const folder = openDataFolder(loadCommandConfig(options).config.data, { create: false })
    const file = ledgerFileOf(folder)
    if (!existsSync(file)) {
      if (options.json !== true) tell(`${file}: there is no ledger yet.`)
      return
    }
    const heads = readLedgerHeads(file).filter(({ event }, index) => index === 0 || !isVouchedFor(event))
    if (heads.length === 0) return
    const signingKey = openSigningKey(folder, (message, publicKey) => tell(`${message} (new: ${publicKey})`))
    const at = Date.now()
    const lines = heads.map((head) => `${JSON.stringify(signCheckpoint({ ...head, at }, signingKey))}\n`)
    await print(lines.join(''))
  })
  addCommonOptions(command)
  command.addHelpText(
    'after',
    '\nPrints what `ledger verify --checkpoint` takes: one line of JSON for the stream that was written last, and one for every\n' +
      'other that has records which no checkpoint in the ledger vouches for. Each process that writes has a stream of its own.\n' +
      'Keep the lines where whoever might cut the ledger off cannot change them. Needs no server.',
  )
  addExamples(command, 'ledger checkpoint >> /mnt/elsewhere/checkpoints.jsonl')
}

/** Whoever writes signs in the ledger itself: nothing has come since where the last record is such a checkpoint, or the end behind one. */
function isVouchedFor(event: LedgerEvent): boolean {
  return event === 'ledger.checkpoint' || event === 'ledger.closed'
}
