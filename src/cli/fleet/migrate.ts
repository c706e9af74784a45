import type { Command } from 'commander'
import { migrateStorage } from '../../ward/open-storage.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig, placeOf } from '../common-options.ts'
import { addExamples } from '../keys/key-options.ts'
import { print, printJson } from '../terminal/output.ts'

export function defineMigrate(command: Command): void {
  command
    .addHelpText(
      'after',
      '\nNodes do this by themselves at their start, unless they run with --migrate never. Two at once wait for each other; once\n' +
        'it is done, it changes nothing.',
    )
    .action(async (options: CommonOptions) => {
      const { name, version } = await migrateStorage(placeOf(loadCommandConfig(options)))
      if (options.json === true) await printJson({ database: name, schema_version: version })
      else await print(`${name}: the schema is of version ${version}.\n`)
    })
  addCommonOptions(command)
  addExamples(command, 'migrate', 'migrate --json')
}
