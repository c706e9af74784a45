import { fastify } from 'fastify'
import { modelward } from '../../../src/fastify/index.ts'
import { createTestWard } from '../../../src/ward/test-ward.ts'
import type { AppLimit, LimitedApp } from '../limited-app.ts'
import { askOverSocket } from './ask-over-socket.ts'

export async function openModelwardApp(limits: readonly AppLimit[]): Promise<LimitedApp> {
  const ward = await createTestWard({
    keys: { caller: { limits: limits.map(({ amount, windowMs }) => `${amount}/${windowMs / 1_000}s`) } },
  })
  const app = fastify()
  await app.register(modelward, { ward })
  app.get('/', async () => 'in')
  await app.ready()
  const { ask, close } = await askOverSocket(app.server, ward.testKeys.caller)
  return {
    ask,
    advance: ward.advance,
    async close() {
      await close()
      await ward.close()
    },
  }
}
