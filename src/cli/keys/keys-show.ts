import type { Command } from 'commander'
import { defineKeyCommand } from './key-command.ts'

export function defineKeysShow(command: Command): void {
  defineKeyCommand(
    command,
    (keys, id) => keys.get(id),
    'keys show 7Qm2xT0bKc9Z',
    'keys show 7Qm2xT0bKc9Z --json',
  )
}
