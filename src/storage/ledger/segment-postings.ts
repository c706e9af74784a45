import { bufferOf, walkEntries } from '../../ledger/format/block.ts'
import { VarintReader, writeVarint } from '../../ledger/format/encoding.ts'
import { EntryView } from '../../ledger/format/entry-view.ts'
import type { LedgerFilter } from '../../ledger/ledger.ts'

/** What blocks are found by. */
export const indexedTexts = { key: 'keyId', owner: 'owner', code: 'code', route: 'route' } as const

const prefixes = Object.entries(indexedTexts).map(([name, text]) => [`${name}:`, text] as const)

/** A segment is full with so many records or blocks. Queries scan all blocks behind the last. */
export const segmentRecords = 16_384
export const segmentBlocks = 4_096
/** Most rows of a segment: a record has so many texts, and the last block may overfill it. */
export const segmentRowsMax: number = 2 * segmentRecords * prefixes.length

/** Consecutive blocks that are indexed together, up to the block `until`. */
export interface Segment<Block> {
  readonly until: number
  readonly blocks: readonly Block[]
}

/**
 * The next segment, if it is full.
 *
 * @param found the next blocks that are not indexed, at most `segmentBlocks` of them
 */
export function segmentOf<Block extends { readonly id: number; readonly count: number }>(
  found: readonly Block[],
): Segment<Block> | undefined {
  let records = 0
  for (const [index, { id, count }] of found.entries()) {
    records += count
    if (records >= segmentRecords || index + 1 === segmentBlocks)
      return { until: id, blocks: found.slice(0, index + 1) }
  }
  return undefined
}

/** Collects the ids of a segment's blocks by term. */
export interface SegmentPostings {
  /** In the order of ids. @throws RangeError for bytes that are no body */
  readonly add: (id: number, body: Uint8Array) => void
  readonly byTerm: ReadonlyMap<string, readonly number[]>
}

export function createSegmentPostings(): SegmentPostings {
  const byTerm = new Map<string, number[]>()
  const entry = new EntryView()
  const lasts: LastText[] = prefixes.map(([prefix, text]) => ({ prefix, text, bytes: noBytes, ids: [] }))
  return {
    add(id, bytes) {
      const body = bufferOf(bytes)
      walkEntries(body, (start) => {
        entry.read(body, start)
        for (const last of lasts) addId(byTerm, entry, last, id)
      })
    },
    byTerm,
  }
}

/** The text of one kind that was met last, and the ids of its blocks. */
interface LastText {
  readonly prefix: string
  readonly text: (typeof prefixes)[number][1]
  bytes: Uint8Array
  ids: number[]
}

/** No text has these bytes: they are not UTF-8. */
const noBytes = Uint8Array.of(0xff)

function addId(postings: Map<string, number[]>, entry: EntryView, last: LastText, id: number): void {
  // Consecutive texts are often the same: to compare bytes costs less than to make a string.
  if (!entry.isText(last.text, last.bytes)) {
    const value = entry.text(last.text)
    if (value === null) return
    const term = last.prefix + value
    last.ids = postings.get(term) ?? []
    last.bytes = entry.bytes(last.text)
    if (last.ids.length === 0) postings.set(term, last.ids)
  }
  if (last.ids.at(-1) !== id) last.ids.push(id)
}

/** The rarest first: a key has one owner, and few requests have a code. */
export function termOf(filter: LedgerFilter): string | undefined {
  for (const [name, text] of Object.entries(indexedTexts)) {
    const value = filter[text]
    if (value !== undefined) return `${name}:${value}`
  }
  return undefined
}

/** Rising block ids, each as a varint of its distance from the one before. */
export function encodeIds(ids: readonly number[]): Uint8Array {
  const bytes: number[] = []
  let before = 0
  for (const id of ids) {
    writeVarint(bytes, bytes.length, id - before)
    before = id
  }
  return Uint8Array.from(bytes)
}

/** Undoes `encodeIds`. */
export function decodeIds(bytes: Uint8Array): number[] {
  const ids: number[] = []
  const varint = new VarintReader()
  let id = 0
  for (let at = 0; at < bytes.length; at = varint.at) {
    const distance = varint.read(bytes, at, bytes.length)
    if (distance < 0) break
    id += distance
    ids.push(id)
  }
  return ids
}
