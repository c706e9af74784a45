import { z } from 'zod'
import { count, isFault, oneOf, type Settings } from './setting.ts'

/** What applies beside a database URL alone. */
export interface FleetSettings {
  readonly limiterLoss: 'closed' | 'share' | 'open'
  readonly migrate: 'auto' | 'never'
  readonly workers: number | 'auto'
}

/** These settings. */
export const fleetSettings: Settings<FleetSettings> = {
  limiterLoss: {
    schema: oneOf('closed', 'share', 'open'),
    kind: 'text',
    default: 'closed',
    placeholder: 'HOW',
    describes:
      'What a fleet does with limits below an hour and with `concurrent` while Redis is out: `closed`, 503 `limiter_unavailable`; `share`, each node counts its part of each limit; or `open`, they are not counted. Quotas and windows of an hour and more are always closed.',
    expected: '`closed`, `share` or `open`',
    empty: isFault,
  },
  migrate: {
    schema: oneOf('auto', 'never'),
    kind: 'text',
    default: 'auto',
    placeholder: 'WHEN',
    describes:
      'Whether a node of a fleet brings the database’s schema up to its version at its start. `never`: `modelward migrate` does, under a role that may change the schema.',
    expected: '`auto` or `never`',
    empty: isFault,
  },
  workers: {
    schema: z.union([z.literal('auto'), count(1, 256)]),
    kind: 'text',
    default: '1',
    placeholder: 'N',
    describes:
      'How many processes of this machine serve the port, each a node of the fleet. More than 1 needs a database URL: processes over one data folder would each count limits for themselves. `auto`: as many as there are processors.',
    expected: '`auto`, or an integer from 1 to 256',
    empty: isFault,
  },
}
