import { afterAll } from 'vitest'
import { openTestSchema, type TestSchema } from '../support/services.ts'
import { describeKeyStore } from './key-store.contract.ts'
import { emptyKeys, openPostgresKeys } from './postgres-keys.ts'

/** Empty ones: some tests open hundreds of stores, and a schema takes a tenth of a second. */
const free: TestSchema[] = []
const all: TestSchema[] = []
afterAll(async () => {
  for (const { drop } of all) await drop()
})

async function takeSchema(): Promise<TestSchema> {
  const taken = free.pop()
  if (taken !== undefined) return taken
  const made = await openTestSchema()
  all.push(made)
  return made
}

describeKeyStore(
  'postgres',
  async (clock) => {
    const schema = await takeSchema()
    const { store, postgres, close } = await openPostgresKeys(schema.url, { clock })
    return {
      store,
      async dispose() {
        await emptyKeys(postgres)
        await close()
        free.push(schema)
      },
    }
  },
  0.25,
)
