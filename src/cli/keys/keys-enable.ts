import type { Command } from 'commander'
import { defineKeyCommand } from './key-command.ts'

export function defineKeysEnable(command: Command): void {
  defineKeyCommand(command, (keys, id) => keys.enable(id), 'keys enable 7Qm2xT0bKc9Z')
}
