import type { JobService } from '../../jobs/job-service.ts'
import type { WebhookService } from '../../webhooks/webhook-service.ts'
import { type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { withKeys } from '../keys/open-keys.ts'

/** What the command line does with jobs. */
export interface CommandJobs {
  readonly jobs: JobService
  readonly webhooks: WebhookService
}

/**
 * Opens the deployment for one command over its jobs, and closes it when the command is done. Runs
 * no job.
 */
export async function withJobs<T>(
  options: CommonOptions,
  use: (jobs: CommandJobs) => Promise<T>,
): Promise<T> {
  return withKeys(
    loadCommandConfig(options),
    false,
    ({ jobs, webhooks }) => {
      if (jobs === undefined || webhooks === undefined) throw new Error('the ward was opened without jobs')
      return use({ jobs, webhooks })
    },
    { jobs: { models: new Map(), concurrency: 0 } },
  )
}
