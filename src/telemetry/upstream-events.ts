import type { EventName, EventRow } from './event-row.ts'

const upstream = 'its name in the configuration'
const times = 'how many since the last such line'

/** What happens to the model servers that calls are forwarded to. */
export const upstreamEvents: {
  readonly [Name in Extract<EventName, `upstream.${string}`>]: EventRow<Name>
} = {
  'upstream.opened': {
    level: 'error',
    sentence:
      'an upstream failed several times in a row, without a connection, without a byte in time or with 502, 503 or 504, and is left alone for a while',
    remedy:
      'Its calls go to the next upstream of their model; where no other is left they answer 503 `upstream_unavailable`. The cause says what failed last. A call tries again after 5 to 60 s, its health is asked for every 10 s. Said again once a minute while tries fail; ends with `upstream.closed`.',
    fields: { upstream },
  },
  'upstream.closed': {
    level: 'info',
    sentence: 'an upstream answers again',
    remedy: 'Nothing to do.',
    fields: { upstream },
  },
  'upstream.refused_credential': {
    level: 'error',
    sentence: 'an upstream refuses the credential of this deployment, with 401, 403 or 407',
    remedy:
      'Its calls answer 502 `upstream_failed`: the caller’s key is right. Set another credential, `upstreams.NAME.key`; a file is read again when it changes.',
    isBrief: true,
    fields: { upstream, times },
  },
  'upstream.credential_unread': {
    level: 'warn',
    sentence: 'the file with an upstream’s credential cannot be read, or holds none',
    remedy: 'The credential that was read last is sent on. Put the file back; it is looked at every second.',
    isBrief: true,
    fields: { upstream, times },
  },
  'upstream.list_failed': {
    level: 'warn',
    sentence: 'an upstream did not say which models it has',
    remedy:
      'The last list is taken for true; before the first one, its models are known by `models` alone. The cause says why; a list is one of 1 MiB at most, within 2 s.',
    isBrief: true,
    fields: { upstream, times },
  },
  'upstream.calls_left': {
    level: 'warn',
    sentence:
      'calls whose answer was on its way when their process died were ended, with what they had reserved',
    remedy:
      'Their records of `request.finished` say `late`. Look at why the process ended: killed, out of memory, a power cut.',
    fields: { calls: 'how many' },
  },
  'upstream.ends_unknown': {
    level: 'error',
    sentence: 'it could not be found out whether all calls of processes that died have their end recorded',
    remedy:
      'The cause says why. What was reserved for them stays counted by limits of an hour and more; `request.started` without a `request.finished` shows which they are.',
    fields: {},
  },
}
