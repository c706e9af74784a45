import { isAddressBlock } from '../core/address-list.ts'
import {
  checkOptions,
  isBoolean,
  isFunction,
  isText,
  isWholeFrom,
  type OptionRule,
} from '../core/check-options.ts'
import type { JobServiceOptions } from '../jobs/create-job-service.ts'
import type { JobModel } from '../jobs/worker/ask-model.ts'

/** Which models jobs may call, and how many jobs there may be. */
export interface WardJobsOptions
  extends Pick<
    JobServiceOptions,
    | 'models'
    | 'concurrency'
    | 'jobsMax'
    | 'ownerJobsMax'
    | 'bytesMax'
    | 'ownerBytesMax'
    | 'attemptsMax'
    | 'keepMs'
    | 'leaseMs'
    | 'deadlineMs'
    | 'resultBytesMax'
  > {
  /**
   * Makes this process send webhooks about ended jobs, and bounds where they may go.
   * @default it sends none: another process may
   */
  readonly webhooks?: WardWebhooksOptions
  /**
   * Bytes of the disk that stay free for records and changes of keys: with less, no job is
   * accepted, which is `overloaded`. 0 turns this off.
   * @default 64 MiB
   */
  readonly diskReserveBytes?: number
  /**
   * Milliseconds that jobs and webhooks under way get when the ward closes; the next process takes
   * up what is left.
   * @default 10,000
   */
  readonly graceMs?: number
}

/** Where webhooks may go. */
export interface WardWebhooksOptions {
  /**
   * Addresses and CIDR blocks outside the public internet that webhooks may go to.
   * @default none
   */
  readonly allow?: readonly string[]
  /** Whether plain `http` is allowed. @default false */
  readonly allowHttp?: boolean
  /** Longest time of an attempt, in milliseconds. @default 20,000 */
  readonly deadlineMs?: number
}

const hourMs = 3_600_000

const webhookRules: Readonly<Record<keyof WardWebhooksOptions, OptionRule>> = {
  allow: {
    expected: 'an array of addresses and CIDR blocks',
    accepts: (value) =>
      Array.isArray(value) && value.every((block) => typeof block === 'string' && isAddressBlock(block)),
  },
  allowHttp: { expected: 'true or false', accepts: isBoolean },
  deadlineMs: { expected: 'milliseconds, 1 to 3,600,000', accepts: isWholeFrom(1, hourMs) },
}

const rules: Readonly<Record<keyof WardJobsOptions, OptionRule>> = {
  models: {
    expected:
      'a Map of models by their names, each with `batchMax` and `predict`, and `deadlineMs` of 1 to 3,600,000 if any',
    accepts: (value) => value instanceof Map && [...value].every(isNamedModel),
    isRequired: true,
  },
  concurrency: { expected: 'a whole number from 0 to 1,000', accepts: isWholeFrom(0, 1_000) },
  jobsMax: { expected: 'a whole number from 1 on', accepts: isWholeFrom(1) },
  ownerJobsMax: { expected: 'a whole number from 1 on', accepts: isWholeFrom(1) },
  bytesMax: { expected: 'bytes, 1,048,576 or more', accepts: isWholeFrom(2 ** 20) },
  ownerBytesMax: { expected: 'bytes, 1,048,576 or more', accepts: isWholeFrom(2 ** 20) },
  attemptsMax: { expected: 'a whole number from 1 to 100', accepts: isWholeFrom(1, 100) },
  keepMs: {
    expected: 'milliseconds, 1,000 to 31,622,400,000',
    accepts: isWholeFrom(1_000, 366 * 24 * hourMs),
  },
  leaseMs: { expected: 'milliseconds, 5,000 to 3,600,000', accepts: isWholeFrom(5_000, hourMs) },
  deadlineMs: { expected: 'milliseconds, 1 to 86,400,000', accepts: isWholeFrom(1, 24 * hourMs) },
  resultBytesMax: { expected: 'bytes, 1 to 268,435,456', accepts: isWholeFrom(1, 2 ** 28) },
  diskReserveBytes: { expected: 'bytes, 0 or more', accepts: isWholeFrom(0) },
  graceMs: { expected: 'milliseconds, 0 to 86,400,000', accepts: isWholeFrom(0, 24 * hourMs) },
  webhooks: {
    expected: 'an object of options',
    accepts: (value) => typeof value === 'object' && value !== null,
  },
}

function isNamedModel([name, model]: readonly [unknown, unknown]): boolean {
  const { batchMax, concurrency = 1, sliceCharactersMax = 1, ...rest } = (model ?? {}) as Partial<JobModel>
  const { deadlineMs = 1, predict } = rest
  const isBounded =
    [batchMax, concurrency, sliceCharactersMax].every(isWholeFrom(1)) && isWholeFrom(1, hourMs)(deadlineMs)
  return isText(name) && isBounded && isFunction(predict)
}

/** @throws TypeError for options of jobs that are unknown, missing or wrong, all at once */
export function checkJobsOptions(where: string, options: WardJobsOptions): void {
  checkOptions(where, options, rules)
  if (options.webhooks !== undefined) checkOptions(`${where}: \`webhooks\``, options.webhooks, webhookRules)
}
