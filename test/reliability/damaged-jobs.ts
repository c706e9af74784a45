import { inputsDamaged, type NewJob } from '../../src/jobs/job.ts'
import type { JobStore } from '../../src/storage/job-store.ts'
import type { Storage } from '../../src/storage/storage.ts'

const begin = Date.UTC(2026, 10, 24)
const dayMs = 86_400_000
const bounds = { jobsMax: 1_000, ownerJobsMax: 1_000, bytesMax: 2 ** 30, ownerBytesMax: 2 ** 30 }
const reservation = { id: 'once', owner: 'acme', requestDigest: 'digest', until: begin + dayMs }

function jobOf(number: number, model: string, fields: Partial<NewJob> = {}): NewJob {
  return {
    id: `job_${String(number).padStart(22, '0')}`,
    owner: 'acme',
    keyId: 'k00000000001',
    requestId: null,
    model,
    kind: 'single',
    inputs: JSON.stringify([`a text to look at, number ${number}`]),
    total: 1,
    priority: 0,
    attemptsMax: 3,
    webhook: null,
    createdAt: begin,
    ...fields,
  }
}

const waiting = [jobOf(1, 'sentiment'), jobOf(2, 'sentiment')]
const batch = jobOf(3, 'other', {
  kind: 'batch',
  inputs: '["a","b"]',
  total: 2,
  webhook: 'https://example.com/',
})
const jobs = [...waiting, batch]
/** Of other owners: they fill the pages of the file. */
const others = Array.from({ length: 100 }, (_, index) =>
  jobOf(index + 4, 'another', {
    owner: `owner ${index % 9}`,
    inputs: JSON.stringify([`text ${index} `.repeat(20)]),
  }),
)

function jobsOf({ jobs: store }: Storage): JobStore {
  if (store === undefined) throw new Error('the storage was opened without jobs')
  return store
}

/** Jobs that wait and one that has ended, a webhook with its secret, and a kept answer. */
export async function addJobs(storage: Storage): Promise<void> {
  const store = jobsOf(storage)
  const secret = { owner: 'acme', sealed: Buffer.alloc(64, 7), createdAt: begin, signsUntil: null }
  await store.addWebhookSecret(secret, begin)
  for (const job of [...jobs, ...others]) await store.submit({ jobs: [job], bounds })
  const asked = { max: 1, now: begin, until: begin + 1, models: [batch.model], keepMs: dayMs }
  const [leased] = (await store.claim(asked)).claimed
  if (leased === undefined) throw new Error('the batch was not claimed')
  const answers = ['{"label":"good"}', '{"label":"bad"}'].map((text, from) => ({
    from,
    inputs: 1,
    errors: 0,
    text,
  }))
  const end = {
    id: leased.id,
    lease: leased.lease,
    end: 'succeeded',
    answers,
    expiresAt: begin + dayMs,
  } as const
  await store.settle([end], begin, bounds)
  await store.reserve({ ...reservation, holder: 'first' }, begin, bounds)
  const answer = { ...reservation, holder: 'first', sealed: Buffer.alloc(100, 9), expiresAt: begin + dayMs }
  await store.storeAnswer(answer)
}

/** Questions about them, in an order in which none changes the answer of another. */
export function askJobs(storage: Storage): readonly (readonly [string, () => Promise<unknown>])[] {
  const store = jobsOf(storage)
  const listed = async (): Promise<unknown> => {
    const page = await store.listJobs({ limit: 100, now: begin, owner: 'acme' })
    return [...page.jobs.map(({ id }) => id), ...(page.damaged ?? [])].toSorted()
  }
  /** By id; undefined where no claim was possible. */
  let inputs: ReadonlyMap<string, string> | undefined
  const claim = async (): Promise<unknown> => {
    const asked = { max: 9, now: begin, until: begin + 1, models: ['sentiment'], keepMs: dayMs }
    const { claimed } = await store.claim(asked)
    inputs = new Map(claimed.map((job) => [job.id, job.inputs]))
    return 'asked'
  }
  const one =
    ({ id }: NewJob) =>
    async (): Promise<unknown> => {
      if (inputs === undefined) return unavailable
      const job = await store.findJob({ id, owner: 'acme' }, begin)
      if (job?.error?.detail === inputsDamaged.detail) return unavailable
      if (job === undefined) return 'lost'
      return [job.id, job.owner, job.model, job.total, job.createdAt, job.webhook, inputs.get(id), job.result]
    }
  return [
    ['jobs', listed],
    ['count', () => store.countJobs()],
    ['claim', claim],
    ...jobs.map((job) => [`job ${job.id.slice(-1)}`, one(job)] as const),
    ['others', () => claimOthers(store)],
    ['webhook', () => claimWebhook(store)],
    [
      'secret',
      async () => (await store.findWebhookSecrets('acme', begin)).map(({ sealed }) => [...sealed].join()),
    ],
    ['kept answer', () => store.reserve({ ...reservation, holder: 'second' }, begin, bounds)],
  ]
}

/** As an answer: there is none for now. */
export const unavailable = 'unavailable'

/**
 * Whether an answer about the jobs is one of a moment before: commits behind a damaged frame of the
 * log are not known to SQLite.
 */
export function isEarlier(name: string, answer: string, truth: string): boolean {
  if (name === 'count' || answer === '"lost"') return true
  if (name === 'kept answer') return !answer.includes('answered')
  const [found, all] = [answer, truth].map((text) => JSON.parse(text) as unknown)
  if (!Array.isArray(found) || !Array.isArray(all)) return false
  const known = all.map((one) => JSON.stringify(one))
  if (name === 'jobs' || name === 'others') return found.every((id) => known.includes(JSON.stringify(id)))
  return found.every((one, index) => one === null || JSON.stringify(one) === known[index])
}

/** Each by its owner and input; a damaged one is unavailable with all of them. */
async function claimOthers(store: JobStore): Promise<unknown> {
  const asked = { max: 1_000, now: begin, until: begin + 1, models: ['another'], keepMs: dayMs }
  const { claimed, ended, damaged } = await store.claim(asked)
  if (ended.length + damaged.length > 0) return unavailable
  return claimed.map(({ id, owner, inputs }) => [id, owner, inputs])
}

async function claimWebhook(store: JobStore): Promise<unknown> {
  const [delivery] = await store.claimDeliveries({ max: 9, ownerMax: 9, now: begin, until: begin + 1 })
  if (delivery?.isDamaged === true) return unavailable
  return [delivery?.url, delivery?.job]
}
