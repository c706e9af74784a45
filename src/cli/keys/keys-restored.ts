import type { Command } from 'commander'
import type { ChangeRange } from '../../keys/restore/missing-changes.ts'
import { type RestoredKeys, restoreKeys } from '../../keys/restore/restore-keys.ts'
import { ledgerEntry } from '../../ledger/format/record.ts'
import { type OpenWard, openWard } from '../../ward/open-ward.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { printable } from '../terminal/display-width.ts'
import { printJson, printLine } from '../terminal/output.ts'
import { formatFields } from '../terminal/table.ts'
import { addExamples } from './key-options.ts'
import { commandWard } from './open-keys.ts'

interface RestoredOptions extends CommonOptions {
  readonly asIs?: boolean
}

export function defineKeysRestored(command: Command): void {
  command
    .option('--as-is', 'Do not revoke and disable again what the ledger says was')
    .addHelpText(
      'after',
      '\nAfter modelward.db was restored from a backup beside the ledger as it is: a server does not start with keys that are\n' +
        'older than the ledger, for revocations would be undone. Says what the ledger knows and the keys do not, revokes and\n' +
        'disables again what was, and records that; and which changes are not known, where their records were dropped or\n' +
        'never written. No server may be running. If it is stopped half-way, run it again.',
    )
    .action(async (options: RestoredOptions) => {
      const loaded = loadCommandConfig(options)
      const opened = await openWard({ ...commandWard(loaded), create: false, isRestored: true })
      try {
        const restored = await acceptRestored(opened, options.asIs === true)
        await printRestored(restored, options.json === true)
      } finally {
        await opened.ward.close()
      }
    })
  addCommonOptions(command)
  addExamples(command, 'keys restored --data /var/lib/modelward', 'keys restored --as-is --json')
}

async function acceptRestored({ ward, storage }: OpenWard, isAsIs: boolean): Promise<RestoredKeys> {
  const { ledger, restored } = storage
  return restoreKeys({
    store: ward.store,
    keys: ward.keys,
    ledger,
    ...restored,
    async record(change) {
      const detail = { by: 'cli', ...change }
      await ledger?.append(ledgerEntry({ at: ward.clock(), event: 'keys.restored', detail }))
    },
    isAsIs,
  })
}

async function printRestored(restored: RestoredKeys, asJson: boolean): Promise<void> {
  const { isOlder, revoked, disabled, created, undone, notKnown = null } = restored
  if (asJson) return printJson({ older: isOlder, revoked, disabled, created, undone, not_known: notKnown })
  if (!isOlder) return printLine('The keys are as new as the ledger: there is nothing to do.')
  const list = (names: readonly string[]): string => printable(names.join(', ')) || 'none'
  await printLine(
    formatFields([
      ['revoked again', list(revoked)],
      ['disabled again', list(disabled)],
      ['made after the backup, and gone', list(created)],
      ['as they were before', list(undone)],
      ['not known', notKnown === null ? 'none' : describeUnknown(notKnown)],
    ]).trimEnd(),
  )
}

function describeUnknown({ from, to }: ChangeRange): string {
  const changes = from === to ? `change number ${from}` : `changes number ${from} to ${to}`
  return `${changes}: the ledger has no record, so see whether a key was revoked then`
}
