// Fastify with a pool of one thread and a deadline, and nothing that refuses.
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { fastify } from 'fastify'

/** By its shape: its declarations do not compile under `exactOptionalPropertyTypes`. */
interface PiscinaModule {
  readonly Piscina: new (
    options: Readonly<Record<string, unknown>>,
  ) => {
    readonly run: (texts: readonly string[], options: { readonly signal: AbortSignal }) => Promise<unknown>
  }
}

const { BENCH_PORT, BENCH_DEADLINE_MS } = process.env
const require = createRequire(import.meta.url)
const { Piscina } = require('piscina') as PiscinaModule
const pool = new Piscina({
  filename: fileURLToPath(new URL('./steady-model.ts', import.meta.url)),
  name: 'answer',
  minThreads: 1,
  maxThreads: 1,
  idleTimeout: Number.POSITIVE_INFINITY,
  atomics: 'disabled',
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
