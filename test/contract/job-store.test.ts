import { createMemoryJobStore } from '../../src/stores/memory/job-store.ts'
import type { OpenJobStore } from './job-fixtures.ts'
import { describeJobStore } from './job-store.contract.ts'

const openMemory: OpenJobStore = async () => {
  const store = createMemoryJobStore()
  return { store, close: () => store.close() }
}

describeJobStore('memory', openMemory, 400)
