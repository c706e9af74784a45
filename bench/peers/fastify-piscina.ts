// Fastify with a pool of one thread and a deadline, and nothing that refuses.
import { fileURLToPath } from 'node:url'
import { fastify } from 'fastify'
import { createThreadPool } from '../../src/models/threads/thread-pool.ts'

const { BENCH_PORT, BENCH_DEADLINE_MS } = process.env
const pool = createThreadPool<readonly string[], readonly string[]>({
  filename: fileURLToPath(new URL('./steady-model.ts', import.meta.url)),
  name: 'answer',
  workerData: undefined,
  heapMib: undefined,
})
const app = fastify()
app.get('/health', async () => ({ status: 'ok' }))
app.post<{ Body: { text: string } }>('/predict', async ({ body: { text } }, reply) => {
  try {
    return {
      text,
      output: await pool.run([text], { signal: AbortSignal.timeout(Number(BENCH_DEADLINE_MS)) }),
    }
  } catch {
    return reply.code(504).send({ code: 'model_timeout' })
  }
})
await app.listen({ host: '127.0.0.1', port: Number(BENCH_PORT) })
