import { openSqliteJobStore } from '../../../src/storage/sqlite/jobs/job-store.ts'
import { answered, jobOf, keepMs, wide } from '../../contract/job-fixtures.ts'
import { sayLine } from '../../contract/processes/say-line.ts'

// Submits jobs and works on them, with many in flight, and names on standard output what has been
// acknowledged: `submitted <id>` and `settled <id> <result>`. Goes on until it is killed.
const [, , file = '', worker = '0'] = process.argv
const store = await openSqliteJobStore({ file })
// Every process's ids are its own.
let number = Number(worker) * 1_000_000

async function submitOn(): Promise<void> {
  for (;;) {
    const job = jobOf(number++, {
      webhook: 'https://example.com/hook',
      attemptsMax: 1_000,
      kind: 'batch',
      total: 2,
    })
    await store.submit({ jobs: [job], bounds: wide })
    sayLine(`submitted ${job.id}`)
  }
}

async function workOn(): Promise<void> {
  for (;;) {
    const now = Date.now()
    const ask = { max: 8, now, until: now + 60_000, models: ['sentiment'], keepMs }
    const { claimed } = await store.claim(ask)
    for (const { id, lease, done } of claimed) {
      // Names the attempt: a second settle would leave another result, and a first answer stored by
      // an attempt that was killed stays.
      const text = JSON.stringify(lease)
      if (done === 0) await store.extend([{ id, lease, answers: answered(text) }], now + 60_000, wide)
      const end = {
        id,
        lease,
        end: 'succeeded',
        answers: answered(text, 1, 1),
        expiresAt: now + keepMs,
      } as const
      const { settled } = await store.settle([end], now, wide)
      if (settled.length > 0) sayLine(`settled ${id} ${lease}`)
    }
  }
}

await Promise.all([...Array.from({ length: 12 }, submitOn), ...Array.from({ length: 4 }, workOn)])
