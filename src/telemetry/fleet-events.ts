import { type EventName, type EventRow, outageFields } from './event-row.ts'

/** Events of nodes that share a database. */
export const fleetEvents: {
  readonly [Name in Extract<EventName, `node.${string}` | `keys.changes_${string}`>]: EventRow<Name>
} = {
  'keys.changes_not_heard': {
    level: 'warn',
    sentence: 'PostgreSQL does not tell this node of changes to keys: they are asked for every 200 ms',
    remedy:
      'A revoked key is refused up to 400 ms later than otherwise. Expected behind a pooler such as PgBouncer. Ends with `keys.changes_heard`.',
    explainedBy: 'store.unreachable',
    fields: outageFields,
  },
  'keys.changes_heard': {
    level: 'info',
    sentence: 'PostgreSQL tells this node of changes to keys at once again',
    remedy: 'Nothing to do.',
    fields: outageFields,
  },
  'node.not_seen': {
    level: 'warn',
    sentence: 'this node cannot say that it is there',
    remedy: 'After 10 s it does not count as one of the fleet. Ends with `node.seen`.',
    explainedBy: 'store.unreachable',
    fields: outageFields,
  },
  'node.seen': {
    level: 'info',
    sentence: 'this node counts as one of the fleet again',
    remedy: 'Nothing to do.',
    fields: outageFields,
  },
  'node.clock_off': {
    level: 'warn',
    sentence: 'the clock of this machine is more than a second from that of PostgreSQL',
    remedy:
      'Keys, jobs and records go by the time of PostgreSQL. Above a minute the node is not ready. Let both machines take their time from one source. Ends with `node.clock_right`.',
    fields: { milliseconds: 'how far this machine’s is ahead; below 0: behind' },
  },
  'node.clock_right': {
    level: 'info',
    sentence: 'the clock of this machine is that of PostgreSQL again',
    remedy: 'Nothing to do.',
    fields: {},
  },
}
