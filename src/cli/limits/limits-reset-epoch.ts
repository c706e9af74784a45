import type { Command } from 'commander'
import { resetLimiterEpoch } from '../../ward/open-storage.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig, placeOf } from '../common-options.ts'
import { addExamples } from '../keys/key-options.ts'
import { printJson, tell } from '../terminal/output.ts'

export function defineLimitsResetEpoch(command: Command): void {
  command
    .addHelpText(
      'after',
      '\nFor a fleet whose database was restored from a backup: what Redis has counted no longer fits what the database keeps. All\n' +
        'nodes begin anew within a second: limits below an hour answer 503 for one window, longer ones and quotas go on from the database.',
    )
    .action(async (options: CommonOptions) => {
      await resetLimiterEpoch(placeOf(loadCommandConfig(options)))
      if (options.json === true) await printJson({ reset: true })
      else tell('The nodes begin a new epoch of the limiter within a second.')
    })
  addCommonOptions(command)
  addExamples(command, 'limits reset-epoch')
}
