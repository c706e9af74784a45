import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { openModelward, Refusal } from 'modelward'
import { callerOf, guard, guardApp, problems } from 'modelward/express'
import { generate, mostTokens, settling } from './chat.ts'

const ward = await openModelward({ data: './modelward-data', limitDefault: ['60/min'] })

const app = guardApp(express(), { ward, public: ['GET /health'] })
app.get('/health', (_request, response) => {
  response.send('ok')
})
app.get('/me', (_request, response) => {
  const { keyId, scopes } = callerOf(ward, response)
  response.json({ key: keyId, scopes })
})
// express.json() comes after the guard: no upload is read before its key is checked.
const json = express.json({ limit: 65_536 })
function textOf(body: unknown): string {
  const { text } = (body ?? {}) as { readonly text?: unknown }
  if (typeof text !== 'string') throw new Refusal('input_invalid', 'Send a text.')
  return text
}
app.post('/predict', guard(ward, { scope: 'predict' }), json, (request, response) => {
  response.json({ owner: response.locals.caller.owner, length: textOf(request.body).length })
})
// A stream: the most that it may use of the budget is taken before it, and put right after.
app.post('/chat', guard(ward, { scope: 'predict' }), json, async (request, response) => {
  const text = textOf(request.body)
  const reservation = await ward.reserve(response, { tokens: mostTokens(text) })
  const left = new AbortController()
  response.once('close', () => left.abort())
  response.type('text/plain')
  for await (const piece of settling(generate(text, left.signal), reservation)) response.write(piece)
  response.end()
})
// A limit of the route's own, for each key, beside the one of all its requests.
app.get('/report', guard(ward, { limits: ['1/min'] }), (_request, response) => {
  response.json({ owner: response.locals.caller.owner })
})
app.use(problems())

const { PORT = '3000' } = process.env
const server = createServer(app).on('checkContinue', app)
server.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
const close = () => server.close(() => ward.close())
process.once('SIGTERM', close)
process.once('SIGINT', close)
