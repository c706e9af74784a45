import { type CreateFastifyContextOptions, fastifyTRPCPlugin } from '@trpc/server/adapters/fastify'
import Fastify from 'fastify'
import { openModelward } from 'modelward'
import { callerOf, modelward } from 'modelward/fastify'
import { answerOf, router } from './trpc.ts'

const ward = await openModelward({ data: './modelward-data' })
const app = Fastify()
await app.register(modelward, {
  ward,
  onRefused(_request, reply, refusal) {
    const { headers, body } = answerOf(refusal)
    reply.code(refusal.status).headers(headers).send(body)
    return true
  },
})
const createContext = ({ req }: CreateFastifyContextOptions) => ({ caller: callerOf(ward, req) })
const trpcOptions = { router, createContext, maxBatchSize: 10 }
await app.register(fastifyTRPCPlugin, { prefix: '/trpc', trpcOptions })
app.addHook('onClose', () => ward.close())
console.log(`listening on ${await app.listen({ port: Number(process.env.PORT ?? 3000) })}`)
process.once('SIGTERM', () => app.close())
