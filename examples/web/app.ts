import { Refusal, type Ward } from 'modelward'
import { callerOf, guard } from 'modelward/web'
import { generate, mostTokens, settling } from './chat.ts'
import { readText } from './read-text.ts'
import { streamOf } from './stream-of.ts'

/** The app behind the guard, which a router of web-standard requests could take the place of. */
export function createApp(ward: Ward<true>): (request: Request) => Promise<Response> {
  const routes = new Map<string, (request: Request) => Response | Promise<Response>>([
    ['GET /health', () => new Response('ok')],
    [
      'GET /me',
      (request) => {
        const { keyId, scopes } = callerOf(ward, request)
        return Response.json({ key: keyId, scopes })
      },
    ],
    [
      'POST /predict',
      guard(ward, { scope: 'predict' }, async (request, { owner }) => {
        const text = await readText(request)
        return Response.json({ owner, length: text.length })
      }),
    ],
    // A stream: the most that it may use of the budget is taken before it, and put right after.
    [
      'POST /chat',
      guard(ward, { scope: 'predict' }, async (request) => {
        const text = await readText(request)
        const reservation = await ward.reserve(request, { tokens: mostTokens(text) })
        const pieces = settling(generate(text, request.signal), reservation)
        return new Response(streamOf(pieces), { headers: { 'content-type': 'text/plain' } })
      }),
    ],
    // A limit of the route's own, for each key, beside the one of all its requests.
    ['GET /report', guard(ward, { limits: ['1/min'] }, (_request, { owner }) => Response.json({ owner }))],
  ])
  return async (request) => {
    const route = routes.get(`${request.method} ${new URL(request.url).pathname}`)
    if (route === undefined) throw new Refusal('not_found')
    return route(request)
  }
}
