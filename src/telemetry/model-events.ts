import type { EventName, EventRow } from './event-row.ts'

/** What happens to the threads and processes of models. */
export const modelEvents: {
  readonly [Name in Extract<EventName, `model.${string}`>]: EventRow<Name>
} = {
  'model.thread_lost': {
    level: 'error',
    sentence: 'a thread of a model ended and is started again',
    remedy:
      'Its inputs are tried on a new thread, or fail with 502 `model_failed`. Look at the cause: memory, native code.',
    fields: { model: 'the file of the model' },
  },
  'model.process_lost': {
    level: 'error',
    sentence: 'a process of a model ended and is started again',
    remedy:
      'Its inputs are tried in a new process, or fail with 502 `model_failed`. Look at the cause: memory, native code. A process that cannot load its model is tried again after 100 ms to 30 s.',
    fields: { model: 'the file of the model' },
  },
  'model.call_stuck': {
    level: 'error',
    sentence: 'native code in a thread goes on beyond its time, and cannot be ended',
    remedy:
      "Its callers have their 504; its thread takes no other call until the code returns. A model with `runs: 'process'` is ended in time.",
    fields: { model: 'the file of the model' },
  },
  'model.failed': {
    level: 'error',
    sentence: 'calls of a model failed',
    remedy:
      'Each answered 502 `model_failed`, or its job tries again. The cause is that of the last; all are in `modelward_model_errors_total`.',
    isBrief: true,
    fields: { model: 'its name', times: 'how many since the last such line' },
  },
  'model.timed_out': {
    level: 'warn',
    sentence: 'calls of a model missed their deadline',
    remedy:
      'Each answered 504 `model_timeout`, or its job tries again. Give the model more threads, or `--model-deadline` more time.',
    isBrief: true,
    fields: { model: 'its name', times: 'how many since the last such line' },
  },
}
