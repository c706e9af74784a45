import type { JobStore } from '../../src/storage/job-store.ts'
import { openPostgresJobStore } from '../../src/storage/postgres/jobs/job-store.ts'
import { openPostgres } from '../../src/storage/postgres/postgres.ts'
import { recycleSchemas } from '../support/recycled-schemas.ts'
import { unhurried } from '../support/services.ts'
import type { OpenedJobStore, OpenJobStore } from './job-fixtures.ts'
import { describeJobStore } from './job-store.contract.ts'
import { macs } from './row-macs.ts'

const openSchema = recycleSchemas()
const openOnPostgres: OpenJobStore = () => openNodes(1)
/** Each call goes to the next of three nodes. */
const openOnThreeNodes: OpenJobStore = () => openNodes(3)

async function openNodes(count: number): Promise<OpenedJobStore> {
  const { url, drop } = await openSchema()
  const connections = await Promise.all(
    Array.from({ length: count }, () =>
      openPostgres({ ...unhurried, url, fault: 'store_unavailable', connectionsMax: 4 }),
    ),
  )
  const open = async () =>
    inTurns(
      await Promise.all(
        connections.map((postgres, node) =>
          openPostgresJobStore({ postgres, macs, url, node: String(node) }),
        ),
      ),
    )
  let store = await open()
  return {
    store,
    async reopen() {
      await store.close()
      store = await open()
      return store
    },
    async close() {
      await store.close()
      await Promise.all(connections.map((postgres) => postgres.close()))
      await drop()
    },
  }
}

/** Hints are for those who wait: what they say was told by the node that did it. */
function inTurns(stores: readonly JobStore[]): JobStore {
  let turn = 0
  const watch: JobStore['watch'] = (listener) => {
    const stops = stores.map((store) =>
      store.watch((change) => {
        if (change.jobs.length > 0) listener(change)
      }),
    )
    return () => {
      for (const stop of stops) stop()
    }
  }
  const close = async (): Promise<void> => void (await Promise.all(stores.map((store) => store.close())))
  return new Proxy({ watch, close } as JobStore, {
    get(target, name) {
      if (name in target) return Reflect.get(target, name)
      turn += 1
      return Reflect.get(stores[turn % stores.length] ?? target, name)
    },
  })
}

describeJobStore('PostgreSQL', openOnPostgres, 4)
describeJobStore('PostgreSQL by three nodes', openOnThreeNodes, 2)
