import { z } from 'zod'
import { bytes, duration, isFault, oneOf, type Settings } from './setting.ts'

/** What the ledger records, and how long it stores that. */
export interface LedgerSettings {
  readonly ledgerMode: 'before' | 'after'
  readonly ledgerAddresses: 'whole' | 'truncated' | 'hashed' | 'none'
  /** Milliseconds, or for ever. */
  readonly ledgerKeep: number | 'forever'
  /** Bytes, or as many as there are. */
  readonly ledgerMax: number | 'unlimited'
  /** Milliseconds, or without end. */
  readonly usageKeep: number | 'forever'
}

/** These settings. */
export const ledgerSettings: Settings<LedgerSettings> = {
  ledgerMode: {
    schema: oneOf('before', 'after'),
    kind: 'text',
    default: 'before',
    placeholder: 'WHEN',
    describes:
      'When the server writes a request’s record: `before` its answer leaves, with 503 where it cannot write; or `after`, which loses records in a crash and answers where it cannot write.',
    expected: '`before` or `after`',
    empty: isFault,
  },
  ledgerAddresses: {
    schema: oneOf('whole', 'truncated', 'hashed', 'none'),
    kind: 'text',
    default: 'whole',
    placeholder: 'HOW',
    describes:
      'How the ledger records client addresses: `whole`; `truncated` to /24 (IPv6: /48); `hashed` under a key of the deployment; or `none`.',
    expected: '`whole`, `truncated`, `hashed` or `none`',
    empty: isFault,
  },
  ledgerKeep: {
    schema: z.union([z.literal('forever'), duration(3_600_000, 100 * 365 * 86_400_000)]),
    kind: 'text',
    default: 'forever',
    placeholder: 'TIME',
    describes:
      'How long the ledger stores records; it drops older ones behind a signed checkpoint. `forever`: it drops none.',
    expected: 'a duration from 1h on, as `90d`, or `forever`',
    empty: isFault,
  },
  ledgerMax: {
    schema: z.union([z.literal('unlimited'), bytes(16_777_216, 2 ** 50)]),
    kind: 'text',
    default: 'unlimited',
    placeholder: 'SIZE',
    describes:
      'How large the ledger may grow before its oldest records are dropped. `unlimited`: as large as the disk.',
    expected: 'a size from 16MiB on, as `10GiB`, or `unlimited`',
    empty: isFault,
  },
  usageKeep: {
    schema: z.union([z.literal('forever'), duration(86_400_000, 100 * 365 * 86_400_000)]),
    kind: 'text',
    default: '400d',
    placeholder: 'TIME',
    describes:
      'How long sums of usage outlive the records that they were made from, for `usage` and statements. `forever`: the server drops none.',
    expected: 'a duration from 1d on, as `400d`, or `forever`',
    empty: isFault,
  },
}
