import { z } from 'zod'
import {
  addressBlocks,
  bytes,
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
  /** Milliseconds. */
  readonly modelLoadDeadline: number
  readonly modelThreads: number | 'auto'
  readonly queueMax: number
  readonly queueOwnerMax: number
  /** Bytes. */
  readonly jobsMaxBytes: number
  /** Bytes. */
  readonly jobsOwnerBytes: number
  /** Bytes. */
  readonly diskReserve: number
  readonly jobWorkers: number | 'auto'
  readonly jobAttempts: number
  /** Milliseconds. */
  readonly jobKeep: number
  /** Milliseconds. */
  readonly jobDeadline: number
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
      'How long a model without a deadline of its own may take, waiting included; then the server answers 504. A job is tried again.',
    expected: 'a duration from 1ms to 1h, as `500ms`, `5s` or `2min`',
    empty: isFault,
  },
  modelLoadDeadline: {
    schema: duration(1, 3_600_000),
    kind: 'text',
    default: '2min',
    placeholder: 'TIME',
    describes:
      'How long a model may take to be imported, loaded and warmed up. One that is not ready by then keeps the server from starting; where it replaces a thread or a process that has ended, it is tried again.',
    expected: 'a duration from 1ms to 1h, as `30s` or `5min`',
    empty: isFault,
  },
  modelThreads: {
    schema: z.union([z.literal('auto'), count(1, 64)]),
    kind: 'text',
    default: 'auto',
    placeholder: 'N',
    describes:
      'Threads of each threaded model without a number of its own; each thread loads the whole model. `auto`: one less than the machine has cores, at most 4.',
    expected: '`auto`, or an integer from 1 to 64',
    empty: isFault,
  },
  queueMax: {
    schema: integer(1, 10_000_000),
    kind: 'integer',
    default: 10_000,
    placeholder: 'N',
    describes:
      'Most inputs that wait for one threaded model, and most jobs that wait or run; beyond either the server answers 503 `overloaded`.',
    expected: 'an integer from 1 to 10000000',
    empty: isFault,
  },
  queueOwnerMax: {
    schema: integer(1, 10_000_000),
    kind: 'integer',
    default: 1_000,
    placeholder: 'N',
    describes: 'Most jobs of one owner that wait or run, so that one owner cannot fill the queue alone.',
    expected: 'an integer from 1 to 10000000',
    empty: isFault,
  },
  jobsMaxBytes: {
    schema: bytes(1_048_576, 2 ** 50),
    kind: 'text',
    default: '8GiB',
    placeholder: 'SIZE',
    describes:
      'Most bytes that jobs take up, in all: inputs, results, webhooks, answers stored for an `Idempotency-Key`, and 1 KiB each for their rows. Beyond it the server answers 503 `overloaded`; results of accepted jobs may take a quarter more.',
    expected: 'a size from 1MiB on, as `8GiB`',
    empty: isFault,
  },
  jobsOwnerBytes: {
    schema: bytes(1_048_576, 2 ** 50),
    kind: 'text',
    default: '1GiB',
    placeholder: 'SIZE',
    describes:
      'Most bytes that the jobs of one owner take up, counted likewise. Beyond it the server answers 429 `storage_exhausted`. The default has room for a key that submits 60 jobs of 12 KiB a minute for a day.',
    expected: 'a size from 1MiB on, as `1GiB`',
    empty: isFault,
  },
  diskReserve: {
    schema: bytes(0, 2 ** 40),
    kind: 'text',
    default: '64MiB',
    placeholder: 'SIZE',
    describes:
      'How much of the disk stays free for records and changes of keys: with less, the server answers new jobs with 503 `overloaded`, and goes on with all else. `0` turns this off.',
    expected: 'a size from 0 on, as `64MiB`',
    empty: isFault,
  },
  jobWorkers: {
    schema: z.union([z.literal('auto'), count(0, 1_000)]),
    kind: 'text',
    default: 'auto',
    placeholder: 'N',
    describes:
      'How many jobs of each model run at once. `auto`: as many as keep the model busy. 0: this process accepts jobs, and leaves them to other processes on the same data folder.',
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
    describes: 'How long the server stores a job that has ended, with its result.',
    expected: 'a duration from 1min to 366d, as `1h` or `7d`',
    empty: isFault,
  },
  jobDeadline: {
    schema: duration(1, 86_400_000),
    kind: 'text',
    default: '5min',
    placeholder: 'TIME',
    describes:
      'How long a model may take for one call of a job, from the moment it begins with it; its own deadline if that is longer. Waiting for the model does not count. Then the job is tried again.',
    expected: 'a duration from 1ms to 24h, as `5min`',
    empty: isFault,
  },
  jobLease: {
    schema: duration(5_000, 3_600_000),
    kind: 'text',
    default: '30s',
    placeholder: 'TIME',
    describes:
      'How long a job waits after its process was killed until another worker takes it. With a shorter lease, a process that pauses for a moment loses jobs that it still works on.',
    expected: 'a duration from 5s to 1h, as `30s`',
    empty: isFault,
  },
  webhooksAllow: {
    schema: addressBlocks(),
    kind: 'list',
    default: [],
    placeholder: 'BLOCKS',
    describes:
      'Addresses or CIDR blocks outside the public internet that webhooks may reach. Anyone with a key can make the server send requests there.',
    expected: 'IPv4 or IPv6 addresses or CIDR blocks, each once',
    empty: `${isNone} Webhooks reach only the public internet.`,
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
