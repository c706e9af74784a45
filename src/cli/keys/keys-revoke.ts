import type { Command } from 'commander'
import { Refusal } from '../../core/refusal.ts'
import { revokeOwner } from '../../keys/owners/revoke-owner.ts'
import { viewKey } from '../../keys/record/views.ts'
import { usageError } from '../cli-error.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { print, printJson, tell } from '../terminal/output.ts'
import { formatTable } from '../terminal/table.ts'
import { terminalWidth } from '../terminal/terminal.ts'
import { checkKey, findKey, keyArgument } from './find-key.ts'
import { addExamples } from './key-options.ts'
import { withKeys } from './open-keys.ts'
import { keyColumns, printKey } from './print-key.ts'
import { refuseDamaged } from './refuse-damaged.ts'

interface RevokeOptions extends CommonOptions {
  readonly reason?: string
  readonly owner?: string
}

export function defineKeysRevoke(command: Command): void {
  command
    .argument('[key]', keyArgument)
    .option('--owner <owner>', 'All keys of this owner, in place of one key')
    .option('--reason <text>', 'Why; the record shows it')
    .action(async (text: string | undefined, options: RevokeOptions) => {
      const { owner } = options
      if ((text === undefined) === (owner === undefined))
        throw usageError('key', 'expected either a key or --owner')
      if (text !== undefined) await revokeOne(checkKey(text), options)
      else if (owner !== undefined) await revokeAll(owner, options)
    })
  addCommonOptions(command)
  command.addHelpText(
    'after',
    '\nWith --owner each key has a record of its own. Keys that were revoked before stay as they are, so a command that failed\n' +
      'half-way can be repeated.',
  )
  addExamples(
    command,
    'keys revoke 7Qm2xT0bKc9Z --reason "leaked in a log"',
    'keys revoke "Search page"',
    'keys revoke --owner acme --reason "contract ended"',
  )
}

async function revokeOne(text: string, options: RevokeOptions): Promise<void> {
  const record = await withKeys(loadCommandConfig(options), false, async ({ keys }) =>
    keys.revoke((await findKey(keys, text)).id, options.reason),
  )
  await printKey(record, options.json === true)
}

async function revokeAll(owner: string, options: RevokeOptions): Promise<void> {
  const damaged = new Set<string>()
  const records = await withKeys(loadCommandConfig(options), false, async ({ keys }) => {
    const some = await keys.list({ owner, limit: 1 })
    // A mistyped owner must not look like one whose keys are all revoked.
    if (some.keys.length === 0 && some.damaged === undefined)
      throw new Refusal('not_found', 'No key has this owner; `modelward keys list` shows owners.')
    return revokeOwner(keys, owner, options.reason, (id) => damaged.add(`key ${id}`))
  })
  const now = Date.now()
  const views = records.map((record) => viewKey(record, now))
  if (options.json === true) await printJson({ revoked: views.length, keys: views })
  else {
    await print(formatTable(views, keyColumns, terminalWidth()))
    if (views.length === 0) tell('No key was left to revoke.')
  }
  refuseDamaged(damaged)
}
