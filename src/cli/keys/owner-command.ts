import type { Command } from 'commander'
import { Refusal } from '../../core/refusal.ts'
import { type KeyWarning, warnOfLimits, withWarnings } from '../../keys/fields/key-warnings.ts'
import { checkOwner, type OwnerService } from '../../keys/owners/owner-service.ts'
import type { OwnerRecord } from '../../keys/record/owner-record.ts'
import { viewOwner } from '../../keys/record/views.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { print, printJson } from '../terminal/output.ts'
import { formatFields } from '../terminal/table.ts'
import { addExamples } from './key-options.ts'
import { limitOption, readOwnerLimits, repeatingLimits } from './limit-option.ts'
import { withKeys } from './open-keys.ts'
import { list } from './print-key.ts'
import { tellWarnings } from './tell-warnings.ts'

interface SetOptions extends CommonOptions {
  readonly limit: readonly string[]
}

export function defineOwnersSet(command: Command): void {
  command
    .addOption(
      limitOption(
        'What all its keys may use together, in the place of its limits now; `none`: without limits',
      ).makeOptionMandatory(),
    )
    .action(setOwner)
  addOwnerArgument(
    command,
    'owners set acme --limit 1000/day --limit "200000 characters/h"',
    'owners set acme --limit none',
  )
}

async function setOwner(owner: string, options: SetOptions): Promise<void> {
  const limits = readOwnerLimits(options.limit)
  await repeatingLimits(options.limit, () => checkOwner(owner, limits))
  const record = await withKeys(loadCommandConfig(options), false, ({ owners }) => owners.set(owner, limits))
  await printOwner(record, options.json === true, warnOfLimits(limits))
}

export function defineOwnersShow(command: Command): void {
  command.action(async (owner: string, options: CommonOptions) => {
    const record = await withKeys(loadCommandConfig(options), false, ({ owners }) => findOwner(owners, owner))
    await printOwner(record, options.json === true)
  })
  addOwnerArgument(command, 'owners show acme', 'owners show acme --json')
}

async function findOwner(owners: Pick<OwnerService, 'get'>, owner: string): Promise<OwnerRecord> {
  try {
    return await owners.get(owner)
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== 'not_found') throw error
    const hint = '`modelward owners set` sets some, `modelward owners list` shows all.'
    throw new Refusal('not_found', `${error.message} ${hint}`)
  }
}

/** Adds what every command over one owner takes. */
function addOwnerArgument(command: Command, ...examples: readonly string[]): void {
  command.argument('<owner>', 'The owner, as its keys name it')
  addCommonOptions(command)
  addExamples(command, ...examples)
}

/** Prints the stored record of one owner. */
async function printOwner(
  record: OwnerRecord,
  asJson: boolean,
  warnings: readonly KeyWarning[] = [],
): Promise<void> {
  const view = viewOwner(record)
  if (asJson) return printJson(withWarnings(view, warnings))
  await print(
    formatFields([
      ['owner', view.owner],
      ['limits', list(view.limits)],
      ['created', view.created_at],
      ['updated', view.updated_at],
    ]),
  )
  tellWarnings(warnings)
}
