import type { Command } from 'commander'
import { Refusal } from '../../core/refusal.ts'
import { findMissingChanges, type MissingChanges } from '../../keys/missing-changes.ts'
import { ledgerEntry } from '../../ledger/format/record.ts'
import type { Storage } from '../../storage/storage.ts'
import { type OpenWard, openWard } from '../../ward/open-ward.ts'
import type { Ward } from '../../ward/ward.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { printable } from '../terminal/display-width.ts'
import { printJson, printLine } from '../terminal/output.ts'
import { formatFields } from '../terminal/table.ts'
import { addExamples } from './key-options.ts'
import { commandWard } from './open-keys.ts'

interface RestoredOptions extends CommonOptions {
  readonly asIs?: boolean
}

/** What was done: ids of keys, and what is as it was before. */
interface Restored extends MissingChanges {
  readonly isOlder: boolean
}

export function defineKeysRestored(command: Command): void {
  command
    .option('--as-is', 'Do not revoke and disable again what the ledger says was')
    .addHelpText(
      'after',
      '\nAfter modelward.db was restored from a backup beside the ledger as it is: a server does not start with keys that are\n' +
        'older than the ledger, for revocations would be undone. Says what the ledger knows and the keys do not, revokes and\n' +
        'disables again what was, and records that. No server may be running.',
    )
    .action(async (options: RestoredOptions) => {
      const loaded = loadCommandConfig(options)
      const opened = await openWard({ ...commandWard(loaded), create: false, isRestored: true })
      try {
        await printRestored(await acceptRestored(opened, options.asIs === true), options.json === true)
      } finally {
        await opened.ward.close()
      }
    })
  addCommonOptions(command)
  addExamples(command, 'keys restored --data /var/lib/modelward', 'keys restored --as-is --json')
}

async function acceptRestored({ ward, storage }: OpenWard, isAsIs: boolean): Promise<Restored> {
  const before = (await ward.store.readChanges(undefined)).cursor
  const { ledger, restored } = storage
  const none = { isOlder: false, revoked: [], disabled: [], created: [], undone: [] }
  if (ledger === undefined || before >= restored.recordedChange) return none
  const missing = await findMissingChanges(ledger, before)
  const again = isAsIs ? { revoked: [], disabled: [] } : await endAgain(ward, missing)
  // Last: until then every start is refused.
  await restored.accept()
  await record(ledger, ward, before)
  return { ...missing, ...again, isOlder: true }
}

/** Ends the keys again that were ended; one that was made after the backup is not there. */
async function endAgain(
  { keys, store }: Ward,
  missing: MissingChanges,
): Promise<Pick<MissingChanges, 'revoked' | 'disabled'>> {
  const revoked: string[] = []
  const disabled: string[] = []
  for (const id of missing.revoked) {
    if ((await store.findKey(id)) === undefined) continue
    await keys.revoke(id, 'revoked before the keys were restored')
    revoked.push(id)
  }
  for (const id of missing.disabled) {
    if ((await store.findKey(id)) === undefined) continue
    await keys.disable(id).catch(unlessRevoked)
    disabled.push(id)
  }
  return { revoked, disabled }
}

function unlessRevoked(thrown: unknown): void {
  if (!(thrown instanceof Refusal)) throw thrown
}

async function record(ledger: NonNullable<Storage['ledger']>, ward: Ward, before: number): Promise<void> {
  const { cursor } = await ward.store.readChanges(undefined)
  const detail = { by: 'cli', before, change: cursor }
  await ledger.append(ledgerEntry({ at: ward.clock(), event: 'keys.restored', detail }))
}

async function printRestored(restored: Restored, asJson: boolean): Promise<void> {
  const { isOlder, revoked, disabled, created, undone } = restored
  if (asJson) return printJson({ older: isOlder, revoked, disabled, created, undone })
  if (!isOlder) return printLine('The keys are as new as the ledger: there is nothing to do.')
  const list = (names: readonly string[]): string => printable(names.join(', ')) || 'none'
  await printLine(
    formatFields([
      ['revoked again', list(revoked)],
      ['disabled again', list(disabled)],
      ['made after the backup, and gone', list(created)],
      ['as they were before', list(undone)],
    ]).trimEnd(),
  )
}
