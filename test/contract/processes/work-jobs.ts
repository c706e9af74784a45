// Claims jobs in PostgreSQL and ends them, until a kill or a line on its standard input; says each
// claim and each end.
import { createInterface } from 'node:readline'
import { openPostgresJobStore } from '../../../src/storage/postgres/jobs/job-store.ts'
import { openPostgres } from '../../../src/storage/postgres/postgres.ts'
import { unhurried } from '../../support/services.ts'
import { macs } from '../row-macs.ts'
import { sayLine } from './say-line.ts'

const [url = '', node = ''] = process.argv.slice(2)
const leaseMs = 500
const bytes = { bytesMax: 2 ** 40, ownerBytesMax: 2 ** 40 }

const postgres = await openPostgres({ ...unhurried, url, fault: 'store_unavailable', connectionsMax: 4 })
const store = await openPostgresJobStore({ postgres, macs, url, node })
let isStopped = false
createInterface({ input: process.stdin }).on('line', () => {
  isStopped = true
})

while (!isStopped) {
  const now = Date.now()
  const { claimed } = await store.claim({
    ...{ max: 5, now, until: now + leaseMs, models: ['sentiment'], keepMs: 3_600_000 },
  })
  for (const { id, attempts } of claimed) await sayLine(`claimed ${id} ${attempts}`)
  for (const { id, lease } of claimed) {
    const answers = [{ from: 0, inputs: 1, errors: 0, text: `"${node}"` }]
    const end = { id, lease, end: 'succeeded' as const, answers, expiresAt: now + 3_600_000 }
    const { settled } = await store.settle([end], Date.now(), bytes)
    if (settled.length > 0) await sayLine(`settled ${id}`)
  }
}
await store.close()
await postgres.close()
process.stdin.destroy()
