import { Refusal } from '../core/refusal.ts'
import type { Clock } from '../core/time.ts'
import { type JobChanger, type JobOwner, ownerOf } from '../jobs/job-service.ts'
import { ledgerEntry } from '../ledger/format/record.ts'
import type { ChangeRecorder } from '../ledger/write/change-recorder.ts'
import { type EntryWriter, ledgerFault } from '../ledger/write/entry-writer.ts'
import type { WebhookDelivery, WebhookOutbox } from './outbox.ts'
import { type DeliveryView, viewDelivery } from './view.ts'

export interface RetryDeliveryOptions {
  readonly outbox: Pick<WebhookOutbox, 'findDelivery' | 'retryDelivery'>
  readonly clock: Clock
  readonly changes: Pick<ChangeRecorder, 'author' | 'ensureWritable'>
  readonly writer: Pick<EntryWriter, 'write'>
  readonly onDue?: () => void
  /** Refuses where the owner has no secret to sign with. */
  readonly checkSecret: (owner: string) => Promise<void>
}

/** Has a delivery sent again that has ended: committed first, then recorded, then answered. */
export function createRetryDelivery(
  options: RetryDeliveryOptions,
): (owner: JobOwner, id: string, changer?: JobChanger) => Promise<DeliveryView> {
  const { outbox, clock, changes, writer, onDue, checkSecret } = options

  /** Never the URL: it may bear a secret of the receiver's. */
  async function record(delivery: WebhookDelivery, { by, requestId }: JobChanger): Promise<void> {
    const { id, owner, job } = delivery
    const detail = { job: job.id, webhook: id, by: by ?? changes.author }
    const more = { keyId: job.keyId, owner, requestId: requestId ?? null, detail }
    try {
      await writer.write(ledgerEntry({ at: clock(), event: 'webhook.retried', ...more }))
    } catch (thrown) {
      throw ledgerFault(thrown)
    }
  }

  return async (owner, id, changer = {}) => {
    const address = { id, ...ownerOf(owner) }
    await changes.ensureWritable()
    const before = found(await outbox.findDelivery(address))
    if (before.status === 'waiting') return viewDelivery(before)
    await checkSecret(before.owner)
    const { delivery, retried } = found(await outbox.retryDelivery(address, clock()))
    if (retried) {
      await record(delivery, changer)
      onDue?.()
    }
    return viewDelivery(delivery)
  }
}

function found<T>(delivery: T | undefined): T {
  if (delivery === undefined) throw new Refusal('delivery_not_found')
  return delivery
}
