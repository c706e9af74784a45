import type { Command } from 'commander'
import { anyOwner } from '../../jobs/job-service.ts'
import { isDeliveryId } from '../../webhooks/outbox.ts'
import type { DeliveryView } from '../../webhooks/view.ts'
import { usageError } from '../cli-error.ts'
import { addCommonOptions, type CommonOptions } from '../common-options.ts'
import { addExamples } from '../keys/key-options.ts'
import { print, printJson } from '../terminal/output.ts'
import { formatFields } from '../terminal/table.ts'
import { withJobs } from './open-jobs.ts'
import { lastOf } from './webhooks-deliveries.ts'

export function defineWebhooksRetry(command: Command): void {
  command
    .argument('<id>', 'The delivery’s id: `msg_` and 22 letters and digits')
    .action(async (text: string, options: CommonOptions) => {
      const id = checkDeliveryId(text)
      const delivery = await withJobs(options, ({ webhooks }) =>
        webhooks.retryDelivery(anyOwner, id, { by: 'cli' }),
      )
      if (options.json === true) await printJson(delivery)
      else await print(formatFields(deliveryFields(delivery)))
    })
  addCommonOptions(command)
  command.addHelpText(
    'after',
    '\nA server sends it again within about a second, under the same id and with all its attempts. One that waits stays as it is.',
  )
  addExamples(command, 'webhooks retry msg_7Qm2xT0bKc9Z7Qm2xT0bKc')
}

/** @throws CliError `usage_invalid` */
function checkDeliveryId(text: string): string {
  if (isDeliveryId(text)) return text
  throw usageError('id', 'expected the id of a delivery: `msg_` and 22 letters and digits')
}

function deliveryFields(delivery: DeliveryView): readonly (readonly [string, string])[] {
  return [
    ['id', delivery.id],
    ['job', delivery.job],
    ['owner', delivery.owner],
    ['url', delivery.url],
    ['status', delivery.status],
    ['attempts', String(delivery.attempts)],
    ['created', delivery.created_at],
    ['next attempt', delivery.next_attempt_at ?? '-'],
    ['last attempt', delivery.last_attempt?.at ?? '-'],
    ['last result', lastOf(delivery)],
  ]
}
