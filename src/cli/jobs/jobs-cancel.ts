import type { Command } from 'commander'
import { anyOwner } from '../../jobs/job-service.ts'
import { defineJobCommand } from './job-command.ts'

export function defineJobsCancel(command: Command): void {
  command.addHelpText(
    'after',
    '\nWork that is under way ends within a second. A job that has ended is left as it is.',
  )
  defineJobCommand(
    command,
    (jobs, id) => jobs.cancel(anyOwner, id, { by: 'cli' }),
    'jobs cancel job_7Qm2xT0bKc9Z7Qm2xT0bKc',
  )
}
