import { readFile } from 'node:fs/promises'
import Fastify from 'fastify'
import { Fault, openModelward } from 'modelward'
import { modelward } from 'modelward/fastify'
import { InferenceSession, Tensor } from 'onnxruntime-web'
import { featureCount, featuresOf } from './features.ts'

const { MODEL = 'model.onnx', PORT = '3000' } = process.env
const session = await InferenceSession.create(await readFile(MODEL))
const ward = await openModelward({ data: './modelward-data' })

const app = Fastify({ bodyLimit: 65_536 })
await app.register(modelward, { ward })
app.addHook('onClose', async () => {
  await session.release()
  await ward.close()
})

const body = {
  type: 'object',
  required: ['text'],
  properties: { text: { type: 'string', minLength: 1, maxLength: 10_000 } },
}

app.get('/health', { config: { guard: 'public' } }, async () => 'ok')
app.post<{ Body: { text: string } }>(
  '/predict',
  { config: { guard: { scope: 'predict' } }, schema: { body } },
  async (request) => {
    const positive = await predict(request.body.text)
    return {
      sentiment: positive >= 0.5 ? 'positive' : 'negative',
      confidence: Math.round(10_000 * Math.max(positive, 1 - positive)) / 10_000,
    }
  },
)

/** How sure the model is that the text is positive, 0 to 1. */
async function predict(text: string): Promise<number> {
  try {
    const features = new Tensor('float32', featuresOf(text), [1, featureCount])
    const { positive } = await session.run({ features })
    return Number(positive?.data[0])
  } catch (cause) {
    // The client gets a fixed sentence with 502; the log gets the cause.
    throw new Fault('model_failed', 'the ONNX session failed', { cause })
  }
}

console.log(`listening on ${await app.listen({ host: '127.0.0.1', port: Number(PORT) })}`)
process.once('SIGTERM', () => app.close())
process.once('SIGINT', () => app.close())
