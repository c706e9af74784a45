import type { Command } from 'commander'
import { defineKeyCommand } from './key-command.ts'

export function defineKeysDisable(command: Command): void {
  defineKeyCommand(command, (keys, id) => keys.disable(id), 'keys disable 7Qm2xT0bKc9Z')
}
