// Only compiled, in the repository against the sources and in `test/package` against the packed
// declarations.
import {
  anyOwner,
  apiKeyCookie,
  apiKeyHeader,
  apiKeyQuery,
  bearer,
  type Caller,
  createTestWard,
  type DeliveryView,
  type Demand,
  Fault,
  type FaultCode,
  type GuardSetting,
  type JobModel,
  type JobService,
  type JobView,
  type KeyService,
  openModelward,
  Refusal,
  type RefusalCode,
  type Scheme,
  type SetupError,
  type SetupErrorCode,
  type TestWard,
  type TimeInput,
  type Verdict,
  type Ward,
  type WardWithJobs,
} from 'modelward'
import { type Equal, expectType } from './equal.ts'

const header = apiKeyHeader({ name: 'X-API-Key' })
const optionalHeader = apiKeyHeader({ name: 'X-API-Key', autoError: false })

// A scheme's type says whether a key must be there.
expectType<Equal<typeof header, Scheme<true>>>()
expectType<Equal<typeof optionalHeader, Scheme<false>>>()
const bearerToken = bearer()
const optionalBearer = bearer({ autoError: false })
const cookie = apiKeyCookie({ name: 'key' })
const query = apiKeyQuery({ name: 'key', autoError: true })
expectType<Equal<typeof bearerToken, Scheme<true>>>()
expectType<Equal<typeof optionalBearer, Scheme<false>>>()
expectType<Equal<typeof cookie, Scheme<true>>>()
expectType<Equal<typeof query, Scheme<true>>>()
// Where a variable decides, the type does not know.
declare const mayBeAbsent: boolean
const undecided = bearer({ autoError: mayBeAbsent })
expectType<Equal<typeof undecided, Scheme<boolean>>>()

// @ts-expect-error a scheme needs a name
apiKeyHeader({})
// @ts-expect-error a scheme needs options
apiKeyHeader()
// @ts-expect-error FastAPI's spelling is no option
apiKeyHeader({ name: 'X-API-Key', auto_error: false })
// @ts-expect-error nor is a word in the place of true or false
apiKeyHeader({ name: 'X-API-Key', autoError: 'no' })
// @ts-expect-error a bearer token has no name of its own
bearer({ name: 'token' })

// A ward's type says the same of all its schemes together.
const ward = await openModelward({ data: './data' })
expectType<Equal<typeof ward, Ward<true>>>()
const wardOfOne = await openModelward({ data: './data', scheme: header })
expectType<Equal<typeof wardOfOne, Ward<true>>>()
const wardOfTwo = await openModelward({ data: './data', scheme: [header, bearer()] })
expectType<Equal<typeof wardOfTwo, Ward<true>>>()
const optionalWard = await openModelward({ data: './data', scheme: optionalHeader })
expectType<Equal<typeof optionalWard, Ward<false>>>()
const inlineOptionalWard = await openModelward({ data: './data', scheme: [bearer({ autoError: false })] })
expectType<Equal<typeof inlineOptionalWard, Ward<false>>>()
const mixedWard = await openModelward({ data: './data', scheme: [header, optionalBearer] })
expectType<Equal<typeof mixedWard, Ward<boolean>>>()
const inlineMixedWard = await openModelward({
  data: './data',
  scheme: [apiKeyHeader({ name: 'X-API-Key', autoError: false }), bearer()],
})
expectType<Equal<typeof inlineMixedWard, Ward<boolean>>>()

// @ts-expect-error where keys are kept must be said
openModelward({})
// @ts-expect-error there is no such option
openModelward({ data: './data', database: 'postgres://127.0.0.1' })
// @ts-expect-error a scheme is made by a function, not named
openModelward({ data: './data', scheme: 'header' })
// @ts-expect-error there are two environments
openModelward({ data: './data', environment: 'staging' })
// @ts-expect-error a wrong key is answered with 401 or 403
openModelward({ data: './data', invalidKeyStatus: 404 })

// With jobs, a ward has them and their webhooks; without, both may be missing and must be asked
// for.
const models = new Map<string, JobModel>([['echo', { batchMax: 1, predict: (inputs) => inputs }]])
const wardWithJobs = await openModelward({ data: './data', scheme: optionalHeader, jobs: { models } })
expectType<Equal<typeof wardWithJobs, WardWithJobs<false>>>()
expectType<Equal<typeof wardWithJobs.jobs, JobService>>()
expectType<Equal<typeof ward.jobs, JobService | undefined>>()
const asWard: Ward<false> = wardWithJobs
void asWard
const submitted = await wardWithJobs.jobs.submit({
  ...{ owner: 'acme', keyId: 'key', model: 'echo', inputs: ['a'] },
  kind: 'single',
  webhook: 'https://example.com/done',
})
expectType<Equal<typeof submitted.job, JobView>>()
expectType<Equal<typeof submitted.job.result, unknown>>()
const secret = await wardWithJobs.webhooks.rotateSecret('acme', { overlapMs: 3_600_000 })
expectType<Equal<typeof secret, string>>()
for await (const { version, job } of await wardWithJobs.jobs.events('acme', submitted.job.id)) {
  expectType<Equal<typeof version, number>>()
  expectType<Equal<typeof job, JobView>>()
}
// @ts-expect-error an owner is named, or all of them by a symbol: never by leaving it out
wardWithJobs.jobs.list(undefined)
// @ts-expect-error the same of deliveries
wardWithJobs.webhooks.listDeliveries(undefined)
const deliveries = await wardWithJobs.webhooks.listDeliveries('acme', { limit: 10 })
expectType<Equal<typeof deliveries, readonly DeliveryView[]>>()
const resent = await wardWithJobs.webhooks.retryDelivery('acme', 'msg_a', { by: 'support' })
expectType<Equal<typeof resent, DeliveryView>>()
wardWithJobs.jobs.list(anyOwner, { owner: 'acme', status: 'dead' })
// @ts-expect-error there is no such status
wardWithJobs.jobs.list(anyOwner, { status: 'lost' })
// @ts-expect-error jobs need models
openModelward({ data: './data', jobs: {} })
// @ts-expect-error where there may be no jobs, they are not simply there
ward.jobs.counts()

// The guard's verdict carries the caller, once it is known to have admitted it.
declare const head: Parameters<typeof ward.admit>[0]
declare const exchange: Parameters<typeof ward.guard.admit>[0]
const verdict = await ward.guard.admit(exchange)
expectType<Equal<typeof verdict, Verdict<Caller>>>()
if (verdict.admitted) expectType<Equal<typeof verdict.caller, Caller>>()
else expectType<Equal<typeof verdict.refusal, Refusal>>()
const optionalVerdict = await optionalWard.guard.admit(exchange)
if (optionalVerdict.admitted) expectType<Equal<typeof optionalVerdict.caller, Caller | null>>()
const mixedVerdict = await mixedWard.guard.admit(exchange)
if (mixedVerdict.admitted) expectType<Equal<typeof mixedVerdict.caller, Caller | null>>()
const decided = ward.admit(head, { scope: 'predict' })
expectType<Equal<typeof decided, Promise<Verdict<Caller>>>>()
const optionalDecided = optionalWard.admit(head)
expectType<Equal<typeof optionalDecided, Promise<Verdict<Caller | null>>>>()
// @ts-expect-error a refused caller cannot be read without a check
verdict.refusal.code

// A caller is read, never written, and holds no secret.
declare const caller: Caller
expectType<Equal<typeof caller.scopes, readonly string[]>>()
expectType<Equal<(typeof caller.metadata)[string], unknown>>()
// @ts-expect-error a caller cannot be renamed
caller.owner = 'another owner'
// @ts-expect-error nor be given a scope
caller.scopes.push('admin')
// @ts-expect-error the secret is nowhere in it
caller.secret

// Demands.
const demands: readonly Demand[] = [
  {},
  { scope: 'predict' },
  { scope: ['predict', 'batch'] },
  { anyKey: true },
  { session: 'csrf' },
  { needs: [{ scope: 'predict' }] },
  { check: () => {} },
  {
    async check(who, request) {
      expectType<Equal<typeof who, Caller>>()
      expectType<Equal<typeof request.address, string | undefined>>()
    },
  },
]
const open: GuardSetting = 'public'
// @ts-expect-error the word is `public`
const misspelled: GuardSetting = 'open'
// @ts-expect-error it is `scope`, for one as for several
const plural: Demand = { scopes: ['predict'] }
// @ts-expect-error a scope is text
const numbered: Demand = { scope: 7 }
// @ts-expect-error a session is accepted for reading, or with the CSRF header
const sloppy: Demand = { session: true }
// @ts-expect-error what a demand needs are demands
const named: Demand = { needs: ['predict'] }
// @ts-expect-error a check refuses by throwing; an answer of true or false would be lost
const answering: Demand = { check: (): boolean => false }

// Codes are closed sets.
const refusal = new Refusal('forbidden', 'beta only')
expectType<Equal<typeof refusal.code, RefusalCode>>()
new Refusal('key_expired')
// @ts-expect-error there is no such refusal
new Refusal('teapot')
// @ts-expect-error an outage is a fault, never the caller's doing
new Refusal('store_unavailable')
const fault = new Fault('store_unavailable', 'the disk is full')
expectType<Equal<typeof fault.code, FaultCode>>()
// @ts-expect-error a refusal is no fault
new Fault('forbidden', 'not yours')
expectType<Equal<SetupError['code'], SetupErrorCode>>()

// A test's ward knows the names of its keys.
const testWard = await createTestWard({ keys: { alice: { scopes: ['predict'] }, carol: {} } })
expectType<Equal<typeof testWard, TestWard<'alice' | 'carol', true>>>()
expectType<Equal<typeof testWard.testKeys.alice, string>>()
// @ts-expect-error there is no key for bob
testWard.testKeys.bob
const keyless = await createTestWard()
expectType<Equal<typeof keyless, TestWard<never, true>>>()
// @ts-expect-error this one has no keys at all
keyless.testKeys.alice
const optionalTestWard = await createTestWard({ scheme: optionalHeader, keys: { alice: {} } })
expectType<Equal<typeof optionalTestWard, TestWard<'alice', false>>>()
testWard.advance('15min')
testWard.advance(900_000)
// @ts-expect-error a time is text or milliseconds
testWard.advance(new Date())
// @ts-expect-error a key's name is the one it is listed under
createTestWard({ keys: { alice: { name: 'Alice' } } })
// @ts-expect-error there is no such option
createTestWard({ secrets: ['s3cret'] })
// A test's ward goes wherever a ward does.
const anyWard: Ward<true> = testWard
// @ts-expect-error a ward that admits anonymous callers does not always know its caller
const required: Ward<true> = optionalTestWard

// Keys.
expectType<Equal<typeof ward.keys, KeyService>>()
const { record, text } = await ward.keys.create({ name: 'Acme', scopes: ['predict'] })
expectType<Equal<typeof text, string>>()
expectType<Equal<typeof record.id, string>>()
// @ts-expect-error a key has a name
ward.keys.create({})

// A moment, in any form.
for (const moment of [new Date(), Date.now(), '90d', '2027-01-31'] satisfies TimeInput[]) {
  ward.keys.create({ name: 'Acme', notBefore: moment, expiresAt: moment })
  ward.keys.createAll([{ name: 'Acme', expiresAt: moment }])
  ward.keys.import([{ name: 'Acme', sha256: '', notBefore: moment, expiresAt: moment }])
  ward.keys.update(record.id, { notBefore: moment, expiresAt: moment })
  ward.keys.list({ unusedSince: moment })
  ward.ledger?.query({ since: moment, until: moment, limit: 10, order: 'newest' })
  ward.ledger?.usage({ by: ['owner'], since: moment, until: moment })
  createTestWard({ now: moment, keys: { alice: { expiresAt: moment } } })
}
for (const duration of ['24h', 86_400_000]) {
  ward.keys.rotate(record.id, { overlap: duration })
  ward.keys.list({ unused: duration })
  wardWithJobs.webhooks.rotateSecret('acme', { overlap: duration })
}
// @ts-expect-error a moment is no yes or no
ward.keys.create({ name: 'Acme', expiresAt: true })
// @ts-expect-error a key has no such field
ward.keys.create({ name: 'Acme', expireAt: '90d' })
// @ts-expect-error a key has no such field
ward.keys.update(record.id, { expires_at: '90d' })
// @ts-expect-error a duration is no date
ward.keys.rotate(record.id, { overlap: new Date() })
// @ts-expect-error there is no such option
ward.keys.rotate(record.id, { overlp: '24h' })
// @ts-expect-error there is no such bound
ward.ledger?.query({ from: '24h' })
// @ts-expect-error scopes are a list
ward.keys.create({ name: 'Acme', scopes: 'predict' })

export const used: readonly unknown[] = [
  demands,
  open,
  misspelled,
  plural,
  numbered,
  sloppy,
  named,
  answering,
  anyWard,
  required,
]
