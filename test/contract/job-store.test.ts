import { join } from 'node:path'
import type { JobStore } from '../../src/storage/job-store.ts'
import { createInProcessJobStore } from '../../src/storage/sqlite/jobs/in-process-job-store.ts'
import { openSqliteJobStore } from '../../src/storage/sqlite/jobs/job-store.ts'
import { scaled } from '../support/scaled.ts'
import type { OpenJobStore } from './job-fixtures.ts'
import { describeJobStore } from './job-store.contract.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

const openInProcess: OpenJobStore = async () => {
  const store = createInProcessJobStore()
  return { store, close: () => store.close() }
}

const openSqlite: OpenJobStore = async () => {
  const file = join(createTemporaryFolder(), 'jobs.db')
  let store: JobStore = await openSqliteJobStore({ file })
  return {
    store,
    async reopen() {
      await store.close()
      store = await openSqliteJobStore({ file })
      return store
    },
    close: () => store.close(),
  }
}

describeJobStore('SQLite in this process', openInProcess, scaled(65))
describeJobStore('SQLite', openSqlite, scaled(8))
