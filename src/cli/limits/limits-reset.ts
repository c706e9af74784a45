import type { Command } from 'commander'
import type { LoadedConfig } from '../../config/load-config.ts'
import type { LimitView } from '../../limits/limit-view.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { checkKey, findKey, keyArgument } from '../keys/find-key.ts'
import { addExamples } from '../keys/key-options.ts'
import { withKeys } from '../keys/open-keys.ts'
import { print, printJson } from '../terminal/output.ts'
import { formatTable } from '../terminal/table.ts'
import { terminalWidth } from '../terminal/terminal.ts'
import { askServerOf } from './ask-server.ts'
import { limitColumns } from './limit-columns.ts'

export function defineLimitsReset(command: Command): void {
  command
    .argument('<key>', keyArgument)
    .addHelpText(
      'after',
      '\nForgets what the key has used of its own limits, or of the default in their place. Limits of its owner and of everyone\n' +
        'stay as they are, and so do requests in progress. Asks the server that runs on the data folder, which applies it at once; in a fleet, all nodes do.',
    )
    .action(async (text: string, options: CommonOptions) => {
      checkKey(text)
      const loaded = loadCommandConfig(options)
      const { id } = await withKeys(loaded, false, ({ keys }) => findKey(keys, text))
      const limits = await reset(loaded, id)
      if (options.json === true) await printJson({ id, limits })
      else await print(formatTable(limits, limitColumns, terminalWidth()))
    })
  addCommonOptions(command)
  addExamples(command, 'limits reset 7Qm2xT0bKc9Z', 'limits reset 7Qm2xT0bKc9Z --json')
}

async function reset(loaded: LoadedConfig, id: string): Promise<readonly LimitView[]> {
  const answer = await askServerOf(loaded, `/limits/${id}`, 'POST')
  if (answer !== undefined) return (answer as { readonly limits: readonly LimitView[] }).limits
  // What another process counts, such as an app with its own guard, is not this command's to reset.
  return withKeys(loaded, false, (ward) => ward.limits.reset(id), { storeUsage: 'always' })
}
