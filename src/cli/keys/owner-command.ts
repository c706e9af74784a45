import type { Command } from 'commander'
import type { OwnerRecord } from '../../keys/owner-record.ts'
import { viewOwner } from '../../keys/owner-view.ts'
import { addCommonOptions } from '../common-options.ts'
import { print, printJson } from '../terminal/output.ts'
import { formatFields } from '../terminal/table.ts'
import { addExamples } from './key-options.ts'
import { list } from './print-key.ts'

/** Adds what every command over one owner takes. */
export function addOwnerArgument(command: Command, ...examples: readonly string[]): void {
  command.argument('<owner>', 'The owner, as its keys name it')
  addCommonOptions(command)
  addExamples(command, ...examples)
}

/** Prints what is kept of one owner. */
export async function printOwner(record: OwnerRecord, asJson: boolean): Promise<void> {
  const view = viewOwner(record)
  if (asJson) return printJson(view)
  await print(
    formatFields([
      ['owner', view.owner],
      ['limits', list(view.limits)],
      ['created', view.created_at],
      ['updated', view.updated_at],
    ]),
  )
}
