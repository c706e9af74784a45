import type { Command } from 'commander'
import { anyOwner } from '../../jobs/job-service.ts'
import { defineJobCommand } from './job-command.ts'

export function defineJobsRetry(command: Command): void {
  command.addHelpText(
    'after',
    '\nThe job is worked on again, with all its attempts, as soon as a server runs. A job of any other status is left as it is.',
  )
  defineJobCommand(
    command,
    (jobs, id) => jobs.retry(anyOwner, id, { by: 'cli' }),
    'jobs retry job_7Qm2xT0bKc9Z7Qm2xT0bKc',
  )
}
