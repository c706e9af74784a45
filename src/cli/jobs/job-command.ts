import type { Command } from 'commander'
import { isJobId } from '../../jobs/job.ts'
import { anyOwner, type JobService } from '../../jobs/job-service.ts'
import type { JobView } from '../../jobs/view-job.ts'
import { usageError } from '../cli-error.ts'
import { addCommonOptions, type CommonOptions } from '../common-options.ts'
import { addExamples } from '../keys/key-options.ts'
import { withJobs } from './open-jobs.ts'
import { printJob } from './print-job.ts'

/** Defines a command that does one thing to a job and prints the result. */
export function defineJobCommand(
  command: Command,
  act: (jobs: JobService, id: string) => Promise<JobView>,
  ...examples: readonly string[]
): void {
  command
    .argument('<id>', 'The job’s id: `job_` and 22 letters and digits')
    .action(async (text: string, options: CommonOptions) => {
      const id = checkJobId(text, 'id')
      const job = await withJobs(options, ({ jobs }) => act(jobs, id))
      await printJob(job, options.json === true)
    })
  addCommonOptions(command)
  addExamples(command, ...examples)
}

/**
 * Checks the id of a job as typed.
 *
 * @param where the argument or flag that it was typed for
 * @throws CliError `usage_invalid`
 */
export function checkJobId(text: string, where: string): string {
  if (isJobId(text)) return text
  throw usageError(where, 'expected the id of a job: `job_` and 22 letters and digits')
}

export function defineJobsShow(command: Command): void {
  defineJobCommand(
    command,
    (jobs, id) => jobs.get(anyOwner, id),
    'jobs show job_7Qm2xT0bKc9Z7Qm2xT0bKc',
    'jobs show job_7Qm2xT0bKc9Z7Qm2xT0bKc --json',
  )
}

export function defineJobsCancel(command: Command): void {
  command.addHelpText('after', '\nWork under way ends within a second. A job that has ended stays as it is.')
  defineJobCommand(
    command,
    (jobs, id) => jobs.cancel(anyOwner, id, { by: 'cli' }),
    'jobs cancel job_7Qm2xT0bKc9Z7Qm2xT0bKc',
  )
}

export function defineJobsRetry(command: Command): void {
  command.addHelpText(
    'after',
    '\nA server runs the job again, with all its attempts. A job of any other status stays as it is.',
  )
  defineJobCommand(
    command,
    (jobs, id) => jobs.retry(anyOwner, id, { by: 'cli' }),
    'jobs retry job_7Qm2xT0bKc9Z7Qm2xT0bKc',
  )
}
