import { createMemoryJobStore } from '../../src/stores/memory/job-store.ts'
import type { OpenJobStore } from './job-fixtures.ts'
import { describeJobStore } from './job-store.contract.ts'

const stores: Readonly<Record<string, OpenJobStore>> = {
  memory: async () => {
    const store = createMemoryJobStore()
    return { store, close: () => store.close() }
  },
}

for (const [name, open] of Object.entries(stores)) describeJobStore(name, open)
