import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryKeyStore } from '../../src/storage/memory/key-store.ts'
import { openSqliteKeyStore } from '../../src/storage/sqlite/keys/key-file.ts'
import type { OpenStore } from './key-fixtures.ts'
import { peppers } from './key-fixtures.ts'
import { describeKeyStore } from './key-store.contract.ts'

const stores: Readonly<Record<string, OpenStore>> = {
  memory: async (clock) => {
    const store = createMemoryKeyStore({ clock })
    return { store, dispose: () => store.close() }
  },
  sqlite: async (clock) => {
    const folder = await mkdtemp(join(tmpdir(), 'modelward-store-'))
    const store = openSqliteKeyStore({ peppers, file: join(folder, 'keys.db'), clock })
    return {
      store,
      dispose: async () => {
        await store.close()
        await rm(folder, { recursive: true })
      },
    }
  },
}

for (const [name, open] of Object.entries(stores)) describeKeyStore(name, open)
