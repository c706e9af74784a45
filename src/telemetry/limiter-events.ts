import { type EventName, type EventRow, outageFields } from './event-row.ts'

type LimiterEventName = Extract<EventName, `limiter.${string}`>

/** The events of limiters. */
export const limiterEvents: { readonly [Name in LimiterEventName]: EventRow<Name> } = {
  'limiter.not_persisted': {
    level: 'error',
    sentence: 'usage of long limits cannot be stored',
    remedy:
      'Limits of an hour and more, and quotas, answer 503 `limiter_unavailable` once their reserve is used. Free disk space, or restore `limits.db`; in a fleet, look at PostgreSQL.',
    explainedBy: 'store.unreachable',
    fields: outageFields,
  },
  'limiter.persisted_again': {
    level: 'info',
    sentence: 'usage of long limits is stored again',
    remedy: 'Nothing to do.',
    fields: outageFields,
  },
  'limiter.not_shared': {
    level: 'warn',
    sentence: 'another process stores the limits of this data folder; this one counts in its own memory',
    remedy:
      'Each process admits the full limit, and this one forgets its usage when it ends. Run one server per folder.',
    fields: {},
  },
  'limiter.settle_failed': {
    level: 'error',
    sentence: 'the limits of a request or job could not be settled',
    remedy:
      'What was reserved counts as used until its window passes; `modelward limits reset` frees a key that cannot wait for that.',
    isBrief: true,
    explainedBy: 'limiter.unreachable',
    isOfRequest: true,
    fields: { times: 'how many since the last such line' },
  },
  'limiter.unreachable': {
    level: 'error',
    sentence: 'limits cannot be counted: Redis cannot be reached, refuses, or does not agree with PostgreSQL',
    remedy:
      'Requests with limits get what `--limiter-loss` says, 503 `limiter_unavailable` by default. Look at the cause; the node connects again until `limiter.back`.',
    fields: outageFields,
  },
  'limiter.back': {
    level: 'info',
    sentence: 'limits are counted again',
    remedy:
      'Nothing to do. Where Redis has lost what it counted, windows below an hour answer 503 `limiter_unavailable` for as long as they are.',
    fields: { ...outageFields, forgot: 'whether Redis has lost what it counted' },
  },
  'limiter.forgot': {
    level: 'warn',
    sentence: 'Redis has lost what it counted: it was flushed, evicted keys, or its clock was set',
    remedy:
      'Windows below an hour answer 503 `limiter_unavailable` for as long as they are, so that no window lets in more than its limit. Longer limits go on. After an outage `limiter.back` says it.',
    fields: {},
  },
  'limiter.may_forget': {
    level: 'warn',
    sentence: 'Redis throws keys away when its memory is full',
    remedy:
      'Set `maxmemory-policy noeviction`: what it throws away was counted. `limiter.forgot` tells when it has.',
    fields: { policy: 'its `maxmemory-policy`' },
  },
  'limiter.shadow_refused': {
    level: 'info',
    sentence: 'a limit in shadow mode would have refused',
    remedy: 'The request was admitted. Use it to size the limit.',
    isOfRequest: true,
    fields: { limit: 'the limit’s name' },
  },
}
