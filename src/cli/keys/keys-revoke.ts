import type { Command } from 'commander'
import type { CommonOptions } from '../common-options.ts'
import { defineKeyCommand } from './key-command.ts'

interface RevokeOptions extends CommonOptions {
  readonly reason?: string
}

export function defineKeysRevoke(command: Command): void {
  command.option('--reason <text>', 'Why, for whoever reads the record')
  defineKeyCommand<RevokeOptions>(
    command,
    (keys, id, { reason }) => keys.revoke(id, reason),
    'keys revoke 7Qm2xT0bKc9Z --reason "leaked in a log"',
  )
}
