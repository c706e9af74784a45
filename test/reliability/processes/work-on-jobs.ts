import { openSqliteJobStore } from '../../../src/storage/sqlite/jobs/job-store.ts'
import { jobOf, keepMs, wide } from '../../contract/job-fixtures.ts'
import { sayLine } from '../../contract/processes/say-line.ts'

// Submits jobs and works on them, with many in flight, and names on standard output what has been
// acknowledged: `submitted <id>` and `settled <id> <result>`. Goes on until it is killed.
const [, , file = '', worker = '0'] = process.argv
const store = await openSqliteJobStore({ file })
// Every process's ids are its own.
let number = Number(worker) * 1_000_000

async function submitOn(): Promise<void> {
  for (;;) {
    const job = jobOf(number++, { webhook: 'https://example.com/hook', attemptsMax: 1_000 })
    await store.submit({ jobs: [job], bounds: wide })
    sayLine(`submitted ${job.id}`)
  }
}

async function workOn(): Promise<void> {
  for (;;) {
    const now = Date.now()
    const ask = { max: 8, now, until: now + 60_000, models: ['sentiment'], keepMs }
    const { claimed } = await store.claim(ask)
    for (const { id, lease } of claimed) {
      // Names the attempt: a second settle would leave another result.
      const end = {
        id,
        lease,
        end: 'succeeded',
        result: JSON.stringify(lease),
        expiresAt: now + keepMs,
      } as const
      const { settled } = await store.settle([end], now, wide)
      if (settled.length > 0) sayLine(`settled ${id} ${lease}`)
    }
  }
}

await Promise.all([...Array.from({ length: 12 }, submitOn), ...Array.from({ length: 4 }, workOn)])
