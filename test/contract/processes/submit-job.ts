import { openSqliteJobStore } from '../../../src/storage/sqlite/jobs/job-store.ts'
import { jobOf, wide } from '../job-fixtures.ts'

// Accepts one job in the file, as another process of the folder.
const [, , file = ''] = process.argv
const store = await openSqliteJobStore({ file })
await store.submit({ jobs: [jobOf(1)], bounds: wide })
await store.close()
