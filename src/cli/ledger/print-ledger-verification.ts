import type { LedgerFinding } from '../../ledger/verify/finding.ts'
import type { LedgerVerification } from '../../ledger/verify/verify-ledger.ts'
import { printable } from '../terminal/display-width.ts'
import { formatFields } from '../terminal/table.ts'
import { paint } from '../terminal/terminal.ts'

/** What `ledger verify --json` prints. */
export interface LedgerVerificationView {
  readonly ok: boolean
  readonly file: string
  readonly records: number
  readonly blocks: number
  readonly streams: number
  readonly checkpoints: number
  readonly last_checkpoint: {
    readonly stream: string
    readonly seq: number
    readonly at: string
    readonly key: string
  } | null
  /** Public keys that signed. */
  readonly keys: readonly string[]
  readonly broken: {
    readonly kind: string
    readonly stream: string
    readonly seq: number
    readonly position: string | null
    readonly message: string
  } | null
  readonly notes: readonly string[]
}

export function viewLedgerVerification(file: string, result: LedgerVerification): LedgerVerificationView {
  const { records, blocks, streams, checkpoints, lastCheckpoint, keys, firstBroken, notes } = result
  return {
    ok: firstBroken === undefined,
    file,
    records,
    blocks,
    streams,
    checkpoints,
    last_checkpoint:
      lastCheckpoint === undefined
        ? null
        : {
            stream: lastCheckpoint.stream,
            seq: lastCheckpoint.seq,
            at: new Date(lastCheckpoint.at).toISOString(),
            key: lastCheckpoint.key,
          },
    keys,
    broken: firstBroken ?? null,
    notes,
  }
}

export function formatLedgerVerification(file: string, result: LedgerVerification): string {
  const { records, blocks, streams, checkpoints, firstBroken, notes } = result
  const { last_checkpoint: last } = viewLedgerVerification(file, result)
  const verdict =
    firstBroken === undefined
      ? paint('green', 'in order')
      : `${verdictOn(firstBroken)}: ${printable(firstBroken.message)} (${firstBroken.kind})`
  const where =
    firstBroken === undefined
      ? []
      : ([
          ['stream', firstBroken.stream],
          ['record', String(firstBroken.seq)],
          ['position', firstBroken.position ?? 'none'],
        ] as const)
  const fields = formatFields([
    ...where,
    [firstBroken === undefined ? 'records' : 'in order before', String(records)],
    ['blocks', String(blocks)],
    ['streams', String(streams)],
    ['checkpoints', String(checkpoints)],
    ['last checkpoint', last === null ? 'none' : `${last.at}, record ${last.seq} of stream ${last.stream}`],
    ['signed by', result.keys.join(', ') || 'no key'],
  ])
  return `${printable(file)}: ${verdict}\n${fields}${notes.map((note) => `${printable(note)}\n`).join('')}`
}

/** What is still to come is no break. */
function verdictOn({ kind }: LedgerFinding): string {
  return kind === 'history_arriving' ? paint('yellow', 'not whole yet') : paint('red', 'broken')
}
