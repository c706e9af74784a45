import { type EventName, type EventRow, outageFields } from './event-row.ts'

const fields = { store: '`PostgreSQL`, or `data folder` for its disk', ...outageFields }

/** Outages of a store as a whole, whatever needs it. */
export const storeEvents: { readonly [Name in Extract<EventName, `store.${string}`>]: EventRow<Name> } = {
  'store.unreachable': {
    level: 'error',
    sentence: 'the store cannot be used: it cannot be reached, has no room, or takes no changes',
    remedy:
      'Requests answer 503 until `store.back`, cached keys once the lease ends or their record cannot be written. What needs the store has no events of its own meanwhile. Look at the cause: PostgreSQL, the way to it, or its disk. Of a data folder: free space on its disk, whose filling `disk.low` tells before; where it fails or does not answer, see the system’s log, and the network if the folder is on one.',
    fields,
  },
  'store.back': {
    level: 'info',
    sentence: 'the store can be used again',
    remedy:
      'Nothing to do. Said once it has not failed for 2 s, and a minute after the last such event at the earliest: a store that comes and goes is one pair of events a minute. What still fails a minute later has an event of its own.',
    fields,
  },
}
