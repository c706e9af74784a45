import { fastify } from 'fastify'
import { expect, test } from 'vitest'
import { coalesceAnswers } from './answers.ts'
import { createLog } from './log.ts'

test('an answer that cannot be written costs its own connection and a line in the log, and no other answer', async () => {
  const lines: string[] = []
  const log = createLog({
    level: 'error',
    keyHeader: 'X-API-Key',
    stream: { write: (line) => void lines.push(line) },
  })
  const app = fastify()
  coalesceAnswers(app, log)
  app.get('/broken', async (_request, reply) => reply.header('x-broken', 'a\nb').send('never'))
  app.get('/sound', async () => 'sound')
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const [broken, sound] = await Promise.allSettled([fetch(`${address}/broken`), fetch(`${address}/sound`)])
  expect(broken.status).toBe('rejected')
  expect(sound).toMatchObject({ status: 'fulfilled', value: { status: 200 } })
  expect(lines.join('')).toContain('could not be written')
  await app.close()
})
