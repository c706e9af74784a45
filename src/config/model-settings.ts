import { z } from 'zod'
import {
  addressBlocks,
  count,
  duration,
  integer,
  isFault,
  isNone,
  list,
  path,
  type Settings,
} from './setting.ts'

/** Models, the jobs that ask them, and the webhooks that report those. */
export interface ModelSettings {
  /** Paths of modules; none: the built-in model. */
  readonly model: readonly string[]
  /** Milliseconds. */
  readonly modelDeadline: number
  readonly modelThreads: number | 'auto'
  readonly queueMax: number
  readonly queueOwnerMax: number
  readonly jobWorkers: number | 'auto'
  readonly jobAttempts: number
  /** Milliseconds. */
  readonly jobKeep: number
  /** Milliseconds. */
  readonly jobLease: number
  /** Addresses and CIDR blocks. */
  readonly webhooksAllow: readonly string[]
  readonly webhooksAllowHttp: boolean
}

/** These settings. */
export const modelSettings: Settings<ModelSettings> = {
  model: {
    schema: list(path()),
    kind: 'list',
    default: [],
    placeholder: 'FILES',
    describes:
      'Modules that each export a model, as `./my-model.ts`. The first answers `/predict`, each of them `/models/NAME/predict`. A relative path starts at the working folder; in a configuration file, at the file’s own folder.',
    expected: 'paths of modules, each once, with `~` written out',
    empty: 'The built-in sentiment model.',
  },
  modelDeadline: {
    schema: duration(1, 3_600_000),
    kind: 'text',
    default: '5s',
    placeholder: 'TIME',
    describes:
      'How long a model that says nothing else may take, waiting included; then the answer is 504. A job is tried again.',
    expected: 'a duration from 1ms to 1h, as `500ms`, `5s` or `2min`',
    empty: isFault,
  },
  modelThreads: {
    schema: z.union([z.literal('auto'), count(1, 64)]),
    kind: 'text',
    default: 'auto',
    placeholder: 'N',
    describes:
      'Threads of each threaded model that says nothing else; each holds the whole model. `auto`: one less than the machine has cores, at most 4.',
    expected: '`auto`, or an integer from 1 to 64',
    empty: isFault,
  },
  queueMax: {
    schema: integer(1, 10_000_000),
    kind: 'integer',
    default: 10_000,
    placeholder: 'N',
    describes:
      'Most inputs that wait for one threaded model, and most jobs that wait or run; beyond either the answer is 503 `overloaded`.',
    expected: 'an integer from 1 to 10000000',
    empty: isFault,
  },
  queueOwnerMax: {
    schema: integer(1, 10_000_000),
    kind: 'integer',
    default: 1_000,
    placeholder: 'N',
    describes: 'Most jobs of one owner that wait or run, so that nobody fills the queue alone.',
    expected: 'an integer from 1 to 10000000',
    empty: isFault,
  },
  jobWorkers: {
    schema: z.union([z.literal('auto'), count(0, 1_000)]),
    kind: 'text',
    default: 'auto',
    placeholder: 'N',
    describes:
      'Jobs of each model that are worked on at once. `auto`: as many as keep the model busy. 0: this process accepts jobs, and leaves them to others that have the data folder open.',
    expected: '`auto`, or an integer from 0 to 1000',
    empty: isFault,
  },
  jobAttempts: {
    schema: integer(1, 100),
    kind: 'integer',
    default: 3,
    placeholder: 'N',
    describes: 'Attempts after which a job is dead, with the reason, until an administrator retries it.',
    expected: 'an integer from 1 to 100',
    empty: isFault,
  },
  jobKeep: {
    schema: duration(60_000, 366 * 86_400_000),
    kind: 'text',
    default: '24h',
    placeholder: 'TIME',
    describes: 'How long a job that has ended is kept, with its result.',
    expected: 'a duration from 1min to 366d, as `1h` or `7d`',
    empty: isFault,
  },
  jobLease: {
    schema: duration(5_000, 3_600_000),
    kind: 'text',
    default: '30s',
    placeholder: 'TIME',
    describes:
      'How long a job waits to be taken up again after its process was killed. Shorter, and a process that was stopped for a moment loses jobs that it is still working on.',
    expected: 'a duration from 5s to 1h, as `30s`',
    empty: isFault,
  },
  webhooksAllow: {
    schema: addressBlocks(),
    kind: 'list',
    default: [],
    placeholder: 'BLOCKS',
    describes:
      'Addresses or CIDR blocks that webhooks may be sent to although they are not of the public internet. Whoever holds a key can have requests sent there.',
    expected: 'IPv4 or IPv6 addresses or CIDR blocks, each once',
    empty: `${isNone} Webhooks reach the public internet alone.`,
  },
  webhooksAllowHttp: {
    schema: z.boolean(),
    kind: 'boolean',
    default: false,
    placeholder: 'BOOLEAN',
    describes: 'Whether webhooks may be sent over plain HTTP, which anybody on the way can read.',
    expected: '`true` or `false`',
    empty: isFault,
  },
}
