import type { Command } from 'commander'
import type { DeploymentOptions } from '../../config/settings.ts'
import type { KeyWarning } from '../../keys/fields/key-warnings.ts'
import type { KeyRecord } from '../../keys/record/key-record.ts'
import type { KeyService } from '../../keys/service/key-service.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { checkKey, findKey, keyArgument } from './find-key.ts'
import { addExamples } from './key-options.ts'
import { withKeys } from './open-keys.ts'
import { printKey } from './print-key.ts'

/** A key that was changed, and what to tell of the change. */
interface WarnedKey {
  readonly record: KeyRecord
  readonly warnings: readonly KeyWarning[]
}

/** Defines a command that does one thing to a key and prints the result. */
export function defineKeyCommand<Options extends CommonOptions>(
  command: Command,
  act: (
    keys: KeyService,
    id: string,
    options: Options,
    config: DeploymentOptions,
  ) => Promise<KeyRecord | WarnedKey>,
  ...examples: readonly string[]
): void {
  command.argument('<key>', keyArgument).action(async (text: string, options: Options) => {
    checkKey(text)
    const loaded = loadCommandConfig(options)
    const done = await withKeys(loaded, false, async ({ keys }) =>
      act(keys, (await findKey(keys, text)).id, options, loaded.config),
    )
    const { record, warnings } = 'record' in done ? done : { record: done, warnings: [] }
    await printKey(record, options.json === true, warnings)
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
