import type { Command } from 'commander'
import { CliError, OutputClosed } from '../cli-error.ts'
import { addCommonOptions, type CommonOptions } from '../common-options.ts'
import { addExamples } from '../keys/key-options.ts'
import { print, tell } from '../terminal/output.ts'
import { parseHowLong } from '../terminal/parse-when.ts'
import { withJobs } from './open-jobs.ts'

interface SecretOptions extends CommonOptions {
  readonly overlap?: string
}

export function defineWebhooksSecret(command: Command): void {
  command
    .argument('<owner>', 'The owner, as its keys name it')
    .option('--overlap <time>', 'How long the previous secret signs too, such as 1h (default: 24h)')
    .action(rotateSecret)
  addCommonOptions(command)
  command.addHelpText(
    'after',
    '\nIt signs webhooks as Standard Webhooks specifies. Give it to the receivers before the overlap ends.',
  )
  addExamples(command, 'webhooks secret acme', 'webhooks secret acme --overlap 7d --json')
}

async function rotateSecret(owner: string, options: SecretOptions): Promise<void> {
  const overlapMs = options.overlap === undefined ? undefined : parseHowLong('--overlap', options.overlap)
  const secret = await withJobs(options, ({ webhooks }) =>
    webhooks.rotateSecret(owner, overlapMs === undefined ? {} : { overlapMs }),
  )
  await printSecret(owner, secret, options.json === true)
}

/** The one time that it is known. It is durable by now. */
async function printSecret(owner: string, secret: string, asJson: boolean): Promise<void> {
  try {
    await print(`${asJson ? JSON.stringify({ owner, secret }) : secret}\n`)
  } catch (error) {
    // The new secret is in use and was not printed: unlike elsewhere, a closed pipe must not be
    // silent.
    if (!(error instanceof OutputClosed) && !(error instanceof CliError)) throw error
    throw new CliError(
      'output_failed',
      `${error.message}: ${owner} has a new webhook secret that could not be printed; make another`,
    )
  }
  if (!asJson)
    tell(
      `Webhooks of ${owner} are signed by it from now on. This is the only time it is shown: store it now.`,
    )
}
