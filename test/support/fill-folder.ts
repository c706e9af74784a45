import { createHash } from 'node:crypto'
import { ledgerEntry } from '../../src/ledger/format/record.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { openModelward } from '../../src/ward/open-modelward.ts'
import { openStorage } from '../../src/ward/open-storage.ts'
import {
  answered,
  claim,
  failed,
  jobOf,
  leaseMs,
  reservationOf,
  reservedAnswerOf,
  settle,
  submit,
  succeeded,
  wide,
} from '../contract/job-fixtures.ts'
import { answerOf, keyOf, ownerOf } from '../contract/key-fixtures.ts'

export interface FilledFolder {
  /** The text of a key without limits. */
  readonly plainKey: string
  /** Of a key with 8 requests an hour and 20 a month. */
  readonly limitedKey: string
  /** Of a key that was imported by its SHA-256. */
  readonly importedKey: string
}

const hour = 3_600_000

/**
 * Fills a data folder by the real stores with a row of every kind: keys of every status, owners,
 * answers, jobs of every status, deliveries, secrets, and records.
 *
 * @param sizes how many keys and records there are at least
 */
export async function fillFolder(
  data: string,
  sizes: { readonly keys: number; readonly records: number },
): Promise<FilledFolder> {
  const keys = await issueKeys(data)
  const storage = await openStorage({ data }, { create: false, jobs: true, storeUsage: 'if_free' })
  try {
    await addKeys(storage, sizes.keys)
    await addJobs(storage)
    await addRecords(storage, sizes.records)
  } finally {
    await storage.close()
  }
  return keys
}

async function issueKeys(data: string): Promise<FilledFolder> {
  const ward = await openModelward({ data })
  const create = (name: string, more: object = {}) => ward.keys.create({ name, ...more })
  await create('admin', { scopes: ['admin'], owner: 'boss' })
  const plain = await create('plain')
  const limited = await create('limited', { owner: 'acme', limits: ['8/h', '20/calendar month', '1000/day'] })
  const importedKey = `sk-${'a'.repeat(40)}`
  const sha256 = createHash('sha256').update(importedKey).digest('hex')
  await ward.keys.import([{ name: 'imported', sha256 }])
  const [one, two, three] = [await create('müde ☂'), await create('two'), await create('three')]
  await ward.keys.rotate(one.record.id, { overlapMs: hour })
  await ward.keys.disable(two.record.id)
  await ward.keys.revoke(three.record.id, 'leaked')
  await ward.owners.set('acme', ['5000/day'])
  await ward.close()
  return { plainKey: plain.text, limitedKey: limited.text, importedKey }
}

async function addKeys({ keys }: Storage, count: number): Promise<void> {
  const now = Date.now()
  for (let from = 0; from < count; from += 500) {
    const records = Array.from({ length: Math.min(500, count - from) }, (_, index) => {
      const number = from + index
      return keyOf(`c${String(number).padStart(11, '0')}`, {
        owner: `owner ${number % 97}`,
        createdAt: now,
        updatedAt: now,
        metadata: { team: number, note: 'a "quoted" \\ text\n' },
        limits: number % 3 === 0 ? ['100/h'] : null,
        expiresAt: number % 5 === 0 ? now + number * 1_000 : null,
        notBefore: number % 7 === 0 ? now - 1 : null,
        disabledAt: number % 11 === 0 ? now : null,
        imported: number % 13 === 0,
      })
    })
    await keys.addKeys(records, answerOf(`answer ${from}`, { expiresAt: now + hour }))
    await keys.noteUses(records.filter((_, at) => at % 2 === 0).map(({ id }) => ({ keyId: id, at: now })))
  }
  for (const owner of ['acme 2', 'bär']) await keys.replaceOwner(ownerOf(owner, { limits: ['10/min'] }))
}

async function addJobs({ jobs }: Storage): Promise<void> {
  if (jobs === undefined) throw new Error('the storage has no jobs')
  const now = Date.now()
  const webhook = 'https://hooks.example/in'
  const long = JSON.stringify(['x'.repeat(600_000), 'ü', '\u0000 and 💡'])
  // Of models that no server of a test has: they wait.
  const of = (number: number, fields = {}) =>
    jobOf(number, { createdAt: now, model: 'translation', ...fields })
  const times = { expiresAt: now + 24 * hour }
  const claimOne = async (model: string) => {
    const [claimed] = await claim(jobs, { models: [model], now, until: now + leaseMs })
    if (claimed === undefined) throw new Error(`no job of ${model} was claimed`)
    return claimed
  }
  for (const [number, end] of [
    [1, { ...succeeded, ...times }],
    [2, { ...failed, ...times }],
    [3, { ...succeeded, ...times, answers: answered(`"${'y'.repeat(300_000)}"`) }],
  ] as const) {
    await submit(jobs, of(number, { model: `ended ${number}`, webhook, requestId: null }))
    await settle(jobs, await claimOne(`ended ${number}`), end, now)
  }
  await submit(jobs, of(4, { model: 'cancelled' }))
  await jobs.cancel({ id: of(4).id }, now, hour)
  // Runs, with answers so far.
  await submit(jobs, of(5, { model: 'running', kind: 'batch', total: 3, inputs: '["a","b","c"]' }))
  const { id, lease } = await claimOne('running')
  const progress = { id, lease, done: 1, errors: 0, answers: answered('{"label":"good"}') }
  await jobs.extend([progress], now + leaseMs, wide)
  await submit(jobs, of(6, { kind: 'batch', total: 3, inputs: long }))
  for (let number = 10; number < 40; number += 1)
    await submit(jobs, of(number, { owner: `owner ${number % 7}`, priority: number % 3 }))
  await jobs.reserve(reservationOf({ until: now + hour }), now, wide)
  await jobs.storeAnswer(reservedAnswerOf({ expiresAt: now + hour }))
  await jobs.reserve(reservationOf({ id: 'under way', until: now + hour }), now, wide)
  for (const signs of [1, 2])
    await jobs.addWebhookSecret(
      { owner: 'acme', sealed: new Uint8Array([signs, 2, 3]), createdAt: now, signsUntil: null },
      now + hour,
    )
}

async function addRecords({ ledger }: Storage, count: number): Promise<void> {
  if (ledger === undefined) throw new Error('the storage has no ledger')
  const now = Date.now()
  for (let from = 0; from < count; from += 1_000)
    await Promise.all(
      Array.from({ length: Math.min(1_000, count - from) }, (_, index) =>
        ledger.append(
          ledgerEntry({
            ...{ at: now, event: 'request.admitted', keyId: `c${String(index % 90).padStart(11, '0')}` },
            ...{ owner: 'acme', method: 'POST', route: '/predict', status: 200, latencyUs: 1_000 },
            measures: { requests: 1 },
            detail: { model: 'sentiment' },
          }),
        ),
      ),
    )
}

/** Has a job wait for the built-in model; returns its id. */
export async function submitWaiting(data: string): Promise<string> {
  const storage = await openStorage({ data }, { create: false, jobs: true, ledger: 'none' })
  const job = jobOf(900, { createdAt: Date.now(), inputs: '["I love it"]' })
  try {
    if (storage.jobs !== undefined) await submit(storage.jobs, job)
  } finally {
    await storage.close()
  }
  return job.id
}
