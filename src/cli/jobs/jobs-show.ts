import type { Command } from 'commander'
import { anyOwner } from '../../jobs/job-service.ts'
import { defineJobCommand } from './job-command.ts'

export function defineJobsShow(command: Command): void {
  defineJobCommand(
    command,
    (jobs, id) => jobs.get(anyOwner, id),
    'jobs show job_7Qm2xT0bKc9Z7Qm2xT0bKc',
    'jobs show job_7Qm2xT0bKc9Z7Qm2xT0bKc --json',
  )
}
