import type { Command } from 'commander'
import type { KeyRecord } from '../../keys/key-record.ts'
import type { KeyService } from '../../keys/key-service.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { checkKey, findKey, keyArgument } from './find-key.ts'
import { addExamples } from './key-options.ts'
import { withKeys } from './open-keys.ts'
import { printKey } from './print-key.ts'

/** Defines a command that does one thing to a key and prints the result. */
export function defineKeyCommand<Options extends CommonOptions>(
  command: Command,
  act: (keys: KeyService, id: string, options: Options) => Promise<KeyRecord>,
  ...examples: readonly string[]
): void {
  command.argument('<key>', keyArgument).action(async (text: string, options: Options) => {
    checkKey(text)
    const record = await withKeys(loadCommandConfig(options), false, async ({ keys }) =>
      act(keys, (await findKey(keys, text)).id, options),
    )
    await printKey(record, options.json === true)
  })
  addCommonOptions(command)
  addExamples(command, ...examples)
}

export function defineKeysShow(command: Command): void {
  defineKeyCommand(
    command,
    (keys, id) => keys.get(id),
    'keys show 7Qm2xT0bKc9Z',
    'keys show 7Qm2xT0bKc9Z --json',
  )
}

export function defineKeysDisable(command: Command): void {
  defineKeyCommand(command, (keys, id) => keys.disable(id), 'keys disable 7Qm2xT0bKc9Z')
}

export function defineKeysEnable(command: Command): void {
  defineKeyCommand(command, (keys, id) => keys.enable(id), 'keys enable 7Qm2xT0bKc9Z')
}
