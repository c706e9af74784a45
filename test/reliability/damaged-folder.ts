import { hash } from 'node:crypto'
import { cpSync } from 'node:fs'
import { Fault } from '../../src/core/fault.ts'
import type { RequestHead } from '../../src/core/request-head.ts'
import { bearer } from '../../src/guard/scheme.ts'
import { createKeyVerifier } from '../../src/keys/verify/verify-key.ts'
import { ledgerEntry } from '../../src/ledger/format/record.ts'
import { openDataFolder } from '../../src/storage/sqlite/data-folder.ts'
import { openFolder } from '../../src/storage/sqlite/open-folder.ts'
import { openKeys } from '../../src/storage/sqlite/open-keys.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { createWard, type Ward } from '../../src/ward/ward.ts'
import { addJobs, askJobs, unavailable } from './damaged-jobs.ts'

/** A deployment in a folder, with what must be true of it whatever happens to its files. */
export interface OpenDeployment {
  readonly ward: Ward
  readonly storage: Storage
}

const begin = Date.UTC(2026, 10, 24)
const idempotency = { owner: 'acme', key: 'once', request: 'r' }
const importedText = 'a key that was made elsewhere, long ago'

export async function openDeployment(data: string): Promise<OpenDeployment> {
  const storage = await openFolder(data, { create: true, jobs: true, storeUsage: 'always' })
  try {
    const format = { prefix: 'mw', environment: 'live' } as const
    return { ward: await createWard(storage, { schemes: [bearer()], format, changedBy: 'cli' }), storage }
  } catch (error) {
    await storage.close()
    throw error
  }
}

/** Texts of the keys by what they are. */
export type KeyTexts = Readonly<Record<string, string>>

/** Fills a new folder, and copies its files while it is in use, as a kill leaves them. */
export async function fillFolder(data: string, killed: string): Promise<KeyTexts> {
  const { ward, storage } = await openDeployment(data)
  const { keys } = ward
  const make = async (name: string, fields = {}) => (await keys.create({ name, ...fields })).text
  const texts = {
    good: await make('good', { owner: 'acme', limits: ['1000/day'] }),
    narrow: await make('narrow', { scopes: ['other'] }),
    limited: await make('limited', { owner: 'small' }),
    expiring: await make('expiring', { expiresAt: Date.now() + 1e10 }),
    revoked: await make('revoked'),
    disabled: await make('disabled'),
    elsewhere: await make('elsewhere', { addresses: ['192.0.2.0/24'] }),
    imported: importedText,
  }
  await keys.import([{ name: 'imported', sha256: hash('sha256', importedText) }])
  await ward.owners.set('small', ['5/day'])
  await keys.create({ name: 'once', owner: 'acme' }, { idempotency })
  await addJobs(storage)
  for (let taken = 0; taken < takenOfGood; taken += 1) {
    await ward.admit(headOf(texts.good), { scope: 'predict' })
    const record = { owner: 'acme', keyId: idOf(texts.good), route: '/predict', measures: { requests: 1 } }
    await storage.ledger?.append(ledgerEntry({ at: begin, event: 'request.admitted', ...record }))
  }
  await storage.ledger?.checkpoint()
  // Last: a damaged end of any log would undo it.
  await keys.disable(idOf(texts.disabled))
  await keys.revoke(idOf(texts.revoked), 'leaked')
  await ward.store.noteUses([{ keyId: idOf(texts.good), at: 60_000 }])
  cpSync(data, killed, { recursive: true, filter: (path) => !path.endsWith('.sock') })
  await ward.close()
  return texts
}

function idOf(text: string): string {
  return text.split('_')[2]?.slice(0, 12) ?? ''
}

function headOf(text: string): RequestHead {
  const headers: Readonly<Record<string, readonly string[]>> = { authorization: [`Bearer ${text}`] }
  return { headerValues: (name) => headers[name] ?? [], queryValues: () => [], address: '127.0.0.1' }
}

/** What is asked of a deployment: each answer is the one truth, or a fault. */
export async function askAll({ ward, storage }: OpenDeployment, texts: KeyTexts): Promise<Answers> {
  const answers: Record<string, string> = {}
  const ask = async (question: string, work: () => Promise<unknown>): Promise<void> => {
    answers[question] = await work().then(
      (value) => (value === unavailable ? unavailable : JSON.stringify(value)),
      faultOf,
    )
  }
  for (const [name, text] of Object.entries(texts))
    await ask(`key ${name}`, async () => {
      const verdict = await ward.admit(headOf(text), { scope: 'predict' })
      if (!verdict.admitted) return verdict.refusal.code
      const { caller } = verdict
      return [caller?.keyId, caller?.owner, caller?.scopes]
    })
  await ask('owner', async () => (await ward.owners.get('small')).limits)
  await ask(
    'answer',
    async () => (await ward.keys.create({ name: 'once', owner: 'acme' }, { idempotency })).text,
  )
  await ask('limits', async () => {
    const status = await ward.limits.status(idOf(texts['good'] ?? ''))
    // A reserve may count as used after a kill, and nothing is ever given back.
    return status.map(({ limit, used }) => [limit, used >= takenOfGood])
  })
  await ask('records', async () => {
    const { records = [] } = (await storage.ledger?.query({ events, limit: 1_000, order: 'oldest' })) ?? {}
    const before = records.filter(({ detail }) => detail?.['repeated'] !== true)
    return before.map(({ event, keyId, owner, detail }) => [event, keyId, owner, detail])
  })
  await ask('usage', async () => {
    const rows = (await storage.ledger?.usage({ by: ['owner'] })) ?? []
    return rows.map(({ owner, requests, measures }) => [owner, requests, measures]).sort()
  })
  for (const [question, work] of askJobs(storage)) await ask(question, work)
  return answers
}

/** Recorded while the folder was filled, and not while it is asked. */
const events = ['key.created', 'key.imported', 'key.revoked', 'key.disabled', 'owner.limits_set'] as const
/** Requests of the good key before its folder is damaged. */
const takenOfGood = 5

/** What is asked of the keys alone, which takes a hundredth of the time. */
export async function askKeys(data: string, texts: KeyTexts): Promise<Answers> {
  const { keys: store, peppers } = await openKeys(openDataFolder(data, { create: false }), {})
  try {
    const { hasImportedKeys } = await store.readChanges(undefined)
    const format = { prefix: 'mw', environment: 'live' } as const
    const verifier = createKeyVerifier({ store, format, peppers, hasImportedKeys: () => hasImportedKeys })
    const answers: Record<string, string> = {}
    for (const [name, text] of Object.entries(texts))
      answers[name] = await verifier.verify(text, hash('sha256', text)).then((found) => {
        if (typeof found === 'string') return found
        const { id, owner, scopes, limits, addresses, expiresAt, disabledAt, revokedAt } = found.record
        return JSON.stringify({ id, owner, scopes, limits, addresses, expiresAt, disabledAt, revokedAt })
      }, faultOf)
    answers['owner'] = await store.findOwner('small').then((owner) => JSON.stringify(owner?.limits), faultOf)
    return answers
  } finally {
    await store.close()
  }
}

export type Answers = Readonly<Record<string, string>>

/** Any other error is a bug, and shows as one. */
function faultOf(thrown: unknown): string {
  if (thrown instanceof Fault && thrown.code !== 'internal') return unavailable
  return `error: ${thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown)}`
}
