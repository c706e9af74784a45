/** Where a record stands: its block, and its index there, from 0 on. As text, `<block>.<index>`. */
export interface LedgerPosition {
  readonly block: number
  readonly index: number
}

/** The text of a position, in records and cursors. */
export function formatPosition({ block, index }: LedgerPosition): string {
  return `${block}.${index}`
}

/** Undoes `formatPosition`; undefined for text that is no position. */
export function parsePosition(text: string): LedgerPosition | undefined {
  const [, block, index] = /^(\d{1,15})\.(\d{1,9})$/.exec(text) ?? []
  return block === undefined || index === undefined
    ? undefined
    : { block: Number(block), index: Number(index) }
}

/** Below 0 if the one was written before the other, 0 if they are the same. */
export function comparePositions(one: LedgerPosition, other: LedgerPosition): number {
  return one.block - other.block || one.index - other.index
}

/** @throws RangeError for text that is no position */
export function readPosition(text: string): LedgerPosition {
  const position = parsePosition(text)
  if (position === undefined)
    throw new RangeError(`ledger: expected a position such as 12.3, got ${JSON.stringify(text)}`)
  return position
}
