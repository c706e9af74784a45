import Fastify from 'fastify'
import { apiKeyHeader, openModelward, Refusal } from 'modelward'
import { modelward } from 'modelward/fastify'
import { sentimentOf } from './sentiment.ts'

// api_key_header = APIKeyHeader(name="X-API-Key")
const ward = await openModelward({
  data: './modelward-data',
  scheme: apiKeyHeader({ name: 'X-API-Key' }),
})

// app = FastAPI(dependencies=[Depends(verify)])
const app = Fastify({
  // A wrong body is FastAPI's 422, where Fastify's own is 400.
  schemaErrorFormatter: (errors, part) =>
    new Refusal('input_invalid', undefined, {
      errors: errors.map(({ instancePath, params: { missingProperty }, message, keyword }) => ({
        loc: [
          part,
          ...instancePath.split('/').slice(1),
          ...(missingProperty ? [String(missingProperty)] : []),
        ],
        msg: message ?? 'not what this route takes',
        type: keyword,
      })),
    }),
})
await app.register(modelward, { ward })
app.addHook('onClose', () => ward.close())

// @app.get("/health")
app.get('/health', { config: { guard: 'public' } }, async () => ({ status: 'ok' }))

// class Review(BaseModel): text: str
const body = { type: 'object', required: ['text'], properties: { text: { type: 'string', minLength: 1 } } }

// @app.post("/predict")
app.post<{ Body: { text: string } }>('/predict', { schema: { body } }, async ({ body: { text } }) => ({
  text,
  sentiment: sentimentOf(text),
}))

const { PORT = '3000' } = process.env
console.log(`listening on ${await app.listen({ host: '127.0.0.1', port: Number(PORT) })}`)
process.once('SIGTERM', () => app.close())
process.once('SIGINT', () => app.close())
