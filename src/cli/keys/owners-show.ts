import type { Command } from 'commander'
import { type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { withKeys } from './open-keys.ts'
import { addOwnerArgument, printOwner } from './owner-command.ts'

export function defineOwnersShow(command: Command): void {
  command.action(async (owner: string, options: CommonOptions) => {
    const record = await withKeys(loadCommandConfig(options), false, ({ owners }) => owners.get(owner))
    await printOwner(record, options.json === true)
  })
  addOwnerArgument(command, 'owners show acme', 'owners show acme --json')
}
