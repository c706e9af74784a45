import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { refusals } from '../../src/core/refusal.ts'
import { firstChainHash, formatChainHash, nextChainHash } from '../../src/ledger/format/chain.ts'
import {
  isSigned,
  type LedgerCheckpoint,
  type StreamEnd,
  signCheckpoint,
  signStreamEnd,
  signTruncationPoint,
  type TruncationPoint,
} from '../../src/ledger/format/checkpoint.ts'
import { encodeEntry } from '../../src/ledger/format/encoding.ts'
import { ledgerEvents } from '../../src/ledger/format/event.ts'
import { type LedgerEntry, ledgerEntry } from '../../src/ledger/format/record.ts'

const page = readFileSync(new URL('../../docs/reference/ledger.md', import.meta.url), 'utf8')

/** The text under a heading, up to the next heading of the same or a higher level. */
function section(heading: string): string {
  const [marks = ''] = /^#+/.exec(heading) ?? []
  const after = page.split(`\n${heading}\n`)[1]
  if (after === undefined) throw new Error(`there is no ${heading}`)
  return after.split(new RegExp(`^#{1,${marks.length}} `, 'm'))[0] ?? ''
}

const stream = /^Stream `([0-9a-f]{32})`, whose first link is `([0-9a-f]{64})`/m.exec(
  section('## Test vectors'),
)
const vectors = [
  ...section('## Test vectors').matchAll(
    /```json\n(\{"at".*\})\n```\n\n```text\nentry ([0-9a-f]+)\nlink {2}([0-9a-f]{64})\n/g,
  ),
].map(([, json = '', entry = '', link = '']) => ({ json: JSON.parse(json) as LedgerEntry, entry, link }))

describe('docs/reference/ledger.md', () => {
  test('has every field of a record', () => {
    const fields = [...section('## A record').matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name)
    expect(fields.toSorted()).toEqual(Object.keys(ledgerEntry({ at: 1, event: 'key.created' })).toSorted())
  })

  test('has every event with its number, and how it maps to OWASP and OCSF', () => {
    const rows = [...section('## Events').matchAll(/^\| `([a-z._]+)` \| (\d+) \| \S.* \| \S.* \| \S.* \|$/gm)]
    expect(Object.fromEntries(rows.map(([, name, number]) => [name, Number(number)]))).toEqual(ledgerEvents)
  })

  test('maps every code of a refusal to OWASP and OCSF, once', () => {
    const rows = section('### Codes').matchAll(/^\| (`[^|]*`) \| \S.* \| \S.* \|$/gm)
    const codes = [...rows].flatMap(([, cell = '']) => [...cell.matchAll(/`(\w+)`/g)].map(([, code]) => code))
    expect(codes.toSorted()).toEqual(Object.keys(refusals).toSorted())
  })

  test('has vectors that are encoded and chained as the code does', () => {
    let chainHash = firstChainHash(stream?.[1] ?? '')
    expect(formatChainHash(chainHash)).toBe(stream?.[2])
    expect(vectors.length).toBeGreaterThanOrEqual(4)
    for (const [index, vector] of vectors.entries()) {
      const entry = encodeEntry(ledgerEntry(vector.json))
      expect(entry.toString('hex')).toBe(vector.entry)
      chainHash = nextChainHash(chainHash, index + 1, entry, 0, entry.length)
      expect(formatChainHash(chainHash)).toBe(vector.link)
    }
  })

  test('has a program that computes the links of the vectors without our code', async () => {
    const [, program = ''] = /```js\n(.*?)```/s.exec(section('## Chain')) ?? []
    const { linksOf } = (await import(`data:text/javascript,${encodeURIComponent(program)}`)) as {
      linksOf: (stream: string, entries: readonly Buffer[]) => readonly Buffer[]
    }
    const links = linksOf(
      stream?.[1] ?? '',
      vectors.map(({ entry }) => Buffer.from(entry, 'hex')),
    )
    expect(links.map((link) => link.toString('hex'))).toEqual(vectors.map(({ link }) => link))
  })

  test('has a checkpoint of the last vector that is signed as the code does', () => {
    const [, json = ''] =
      /```json\n(\{"type":"modelward-checkpoint.*\})\n```/.exec(section('## Test vectors')) ?? []
    const checkpoint = JSON.parse(json) as LedgerCheckpoint
    expect(checkpoint).toMatchObject({ stream: stream?.[1], seq: vectors.length, hash: vectors.at(-1)?.link })
    expect(isSigned(checkpoint)).toBe(true)
    expect(signCheckpoint(checkpoint, rfc8032Key())).toEqual(checkpoint)
  })

  test('has an end behind the same record that is signed as the code does', () => {
    const [, json = ''] = /```json\n(\{"type":"modelward-end.*\})\n```/.exec(section('## Test vectors')) ?? []
    const end = JSON.parse(json) as StreamEnd
    expect(end).toMatchObject({ stream: stream?.[1], seq: vectors.length, hash: vectors.at(-1)?.link })
    expect([end.before.length, end.unclosed.length]).toEqual([1, 1])
    expect(isSigned(end)).toBe(true)
    expect(signStreamEnd(end, rfc8032Key())).toEqual(end)
  })

  test('has a base of the same record that is signed as the code does', () => {
    const [, json = ''] =
      /```json\n(\{"type":"modelward-base.*\})\n```/.exec(section('## Test vectors')) ?? []
    const base = JSON.parse(json) as TruncationPoint
    expect(base).toMatchObject({ stream: stream?.[1], seq: vectors.length, hash: vectors.at(-1)?.link })
    expect(isSigned(base)).toBe(true)
    expect(signTruncationPoint(base, rfc8032Key())).toEqual(base)
  })

  test('has every kind of break that the code reports, once', () => {
    const source = readFileSync(new URL('../../src/ledger/verify/finding.ts', import.meta.url), 'utf8')
    const kinds = [...source.matchAll(/^ {2}\| '(\w+)'$/gm)].map(([, kind]) => kind)
    expect([...section('## Verifying').matchAll(/^\| `(\w+)` \|/gm)].map(([, kind]) => kind)).toEqual(kinds)
  })
})

/** The private key of RFC 8032, 7.1, test 1, with its PKCS #8 header. */
function rfc8032Key() {
  const seed = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'
  const key = Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex')
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
}
