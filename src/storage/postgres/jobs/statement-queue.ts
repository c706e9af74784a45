import { Fault } from '../../../core/fault.ts'
import { type CallOutcome, type CallQueue, createCallQueue } from '../../group-commit/call-queue.ts'
import { isRefusedStatement } from '../postgres-error.ts'
import { DamagedRow } from './damaged-row.ts'

export interface StatementQueueOptions<Item, Result> {
  /** What messages call the database. */
  readonly name: string
  /** Executes a group in a statement or a few, and gives an outcome for each item. */
  readonly send: (group: readonly Item[]) => Promise<readonly CallOutcome<Result>[]>
  /** In jobs, or in KiB of their texts. */
  readonly weigh: (item: Item) => number
}

/**
 * Weight of a group: a tenth of the second that a statement may take, so that a server which is ten
 * times as slow still answers. Groups four times as large accept a twentieth more jobs a second.
 */
const groupMax = 512
/** Weight of all that waits; 64 MiB of texts. */
const waitingMax = 65_536

/**
 * Calls that share statements and their commits. Where the database does not answer, all that waits
 * fails with the call that found out: each waits as long as one statement may take, and not behind
 * others for the same.
 */
export function createStatementQueue<Item, Result>({
  name,
  send,
  weigh,
}: StatementQueueOptions<Item, Result>): CallQueue<Item, Result> {
  let added = 0
  let outage = { until: 0, failure: undefined as unknown }
  const queue = createCallQueue<{ readonly item: Item; readonly number: number }, Result>({
    async send(group) {
      const failed = group.filter(({ number }) => number <= outage.until)
      const asked = group.slice(failed.length)
      const outcomes = asked.length > 0 ? await send(asked.map(({ item }) => item)) : []
      const before = outage
      const found = outageOf(outcomes)
      if (found !== undefined) outage = { until: added, failure: found.failure }
      return [...failed.map(() => ({ failure: before.failure })), ...outcomes]
    },
    weigh: ({ item }) => weigh(item),
    groupMax,
    waitingMax,
    refuse: () => new Fault('store_unavailable', `${name}: too many calls wait for the database`),
  })
  return {
    add(item) {
      added += 1
      return queue.add({ item, number: added })
    },
    settled: queue.settled,
  }
}

/** Whether the database did not answer; neither a statement that it refused, nor a damaged row. */
export function isOutage(failure: unknown): boolean {
  return failure instanceof Fault && !(failure instanceof DamagedRow) && !isRefusedStatement(failure.cause)
}

/** The outcome that says that the database did not answer, if one of them does. */
export function outageOf(
  outcomes: Iterable<CallOutcome<unknown>>,
): { readonly failure: unknown } | undefined {
  for (const outcome of outcomes) if ('failure' in outcome && isOutage(outcome.failure)) return outcome
  return undefined
}
