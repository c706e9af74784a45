import Fastify from 'fastify'
import { type JobModel, openModelward } from 'modelward'
import { modelward, usageOf } from 'modelward/fastify'
import { summarize } from './summarize.ts'

const summary: JobModel = {
  batchMax: 8,
  predict: (texts) => texts.map((text) => ({ summary: summarize(String(text)) })),
}
const ward = await openModelward({
  data: './modelward-data',
  jobs: { models: new Map([['summary', summary]]) },
})

const app = Fastify()
await app.register(modelward, { ward })
app.addHook('onClose', () => ward.close())

const config = { guard: { scope: 'summaries' } }
const body = {
  type: 'object',
  required: ['text'],
  properties: { text: { type: 'string', minLength: 1, maxLength: 100_000 } },
}
const querystring = {
  type: 'object',
  properties: { wait: { type: 'integer', minimum: 0, maximum: 30, default: 0 } },
}

// The job is durable before the answer leaves: it survives this process.
app.post<{ Body: { text: string } }>('/summaries', { config, schema: { body } }, async (request, reply) => {
  const { owner, keyId } = request.caller
  const { job } = await ward.jobs.submit({
    owner,
    keyId,
    model: 'summary',
    kind: 'single',
    inputs: [request.body.text],
    // From here on the request's usage of the caller's limits belongs to the job, until it ends.
    usage: usageOf(ward, request),
  })
  return reply.code(202).header('location', `/summaries/${job.id}`).send(job)
})

// For every other owner a job does not exist: 404.
app.get<{ Params: { id: string }; Querystring: { wait: number } }>(
  '/summaries/:id',
  { config, schema: { querystring } },
  ({ caller, params, query }) => ward.jobs.get(caller.owner, params.id, { waitMs: query.wait * 1_000 }),
)
app.delete<{ Params: { id: string } }>('/summaries/:id', { config }, ({ caller, params }) =>
  ward.jobs.cancel(caller.owner, params.id, { by: caller.keyId }),
)

const { PORT = '3000' } = process.env
console.log(`listening on ${await app.listen({ host: '127.0.0.1', port: Number(PORT) })}`)
process.once('SIGTERM', () => app.close())
process.once('SIGINT', () => app.close())
