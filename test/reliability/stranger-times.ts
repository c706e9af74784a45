import { hash, randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { drawKey, drawKeyId, newKeyRecord } from '../../src/keys/fields/new-key.ts'
import type { KeyFormat } from '../../src/keys/record/key-text.ts'
import { createKeyVerifier } from '../../src/keys/verify/verify-key.ts'
import { drawPepper, parsePeppers } from '../../src/secrets/peppers.ts'
import { openSqliteKeyStore } from '../../src/storage/sqlite/keys/key-file.ts'

/**
 * Says whether time tells strangers apart: how far the times to refuse two wrong keys lie from one
 * distribution (z of the Mann-Whitney test; beyond 3 they differ). `stranger-times.ts [samples]`
 */
const samples = Number(process.argv[2] ?? 20_000)
const format: KeyFormat = { prefix: 'mw', environment: 'live' }
const peppers = parsePeppers(drawPepper(1), 'this program')
const folder = mkdtempSync(join(tmpdir(), 'modelward-times-'))
const store = openSqliteKeyStore({ peppers, file: join(folder, 'modelward.db') })
const verifier = createKeyVerifier({ store, format, peppers, hasImportedKeys: () => false })
const ids = Array.from({ length: 1_000 }, drawKeyId)

const records = ids.map((id) => {
  const { secret } = drawKey(format, id, peppers, Date.now())
  return newKeyRecord(format, id, { name: 'a' }, secret, false).record
})
await store.addKeys(records)

/** Strangers that present what is wrong, each another key each time. */
const strangers = {
  'unknown id': () => keyOf(drawKeyId()),
  'another unknown id': () => keyOf(drawKeyId()),
  'wrong secret': () => keyOf(anyId()),
  'another wrong secret': () => keyOf(anyId()),
}
type Stranger = keyof typeof strangers

function keyOf(id: string): string {
  return drawKey(format, id, peppers, 0).text
}

function anyId(): string {
  return ids[randomInt(ids.length)] ?? ''
}

const times = new Map<Stranger, number[]>()
function timesOf(name: Stranger): number[] {
  const found = times.get(name) ?? []
  times.set(name, found)
  return found
}

const names = Object.keys(strangers) as Stranger[]
for (let round = 0; round < samples * names.length; round += 1) {
  // In no order: what ran before leaves its traces in the time of what runs next.
  const name = names[randomInt(names.length)] ?? 'unknown id'
  const text = strangers[name]()
  const sha256 = hash('sha256', text)
  const begun = process.hrtime.bigint()
  await verifier.verify(text, sha256)
  const took = Number(process.hrtime.bigint() - begun)
  // What the first rounds take is the compiler's.
  if (round > samples) timesOf(name).push(took)
}
await store.close()
rmSync(folder, { recursive: true })

tell('unknown id', 'another unknown id')
tell('wrong secret', 'another wrong secret')
tell('unknown id', 'wrong secret')

function tell(one: Stranger, other: Stranger): void {
  const [ours, theirs] = [timesOf(one), timesOf(other)]
  const medians = [ours, theirs].map((each) => (medianOf(each) / 1_000).toFixed(1))
  console.log(`${one} / ${other}: z ${zOf(ours, theirs).toFixed(1)}, medians ${medians.join(' / ')} µs`)
}

function medianOf(sample: readonly number[]): number {
  return sample.toSorted((a, b) => a - b)[sample.length >> 1] ?? Number.NaN
}

/** Mann-Whitney (1947), with the normal distribution for the sum of ranks. */
function zOf(ours: readonly number[], theirs: readonly number[]): number {
  const all = [...ours.map((took) => ({ took, isOurs: 1 })), ...theirs.map((took) => ({ took, isOurs: 0 }))]
  all.sort((a, b) => a.took - b.took)
  const ranks = all.reduce((sum, { isOurs }, index) => sum + isOurs * (index + 1), 0)
  const [n, m] = [ours.length, theirs.length]
  const expected = (n * (n + m + 1)) / 2
  return (ranks - expected) / Math.sqrt((expected * m) / 6)
}
