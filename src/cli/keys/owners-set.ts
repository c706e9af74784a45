import type { Command } from 'commander'
import { checkOwner } from '../../keys/owner-service.ts'
import { type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { limitOption, readOwnerLimits } from './limit-option.ts'
import { withKeys } from './open-keys.ts'
import { addOwnerArgument, printOwner } from './owner-command.ts'

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
  checkOwner(owner, limits)
  const record = await withKeys(loadCommandConfig(options), false, ({ owners }) => owners.set(owner, limits))
  await printOwner(record, options.json === true)
}
