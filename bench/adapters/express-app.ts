// One Express 5 app, bare or behind a guard: what the adapter costs is the difference.
import { createRequire } from 'node:module'
import express, { type RequestHandler } from 'express'
import { guard as guardRoute } from '../../src/express/index.ts'
import { sameHeaders } from '../peers/same-headers.ts'
import { openWard, predict, readServed } from './served-app.ts'

/** The parts of passport and its strategy that are used here: neither brings types that compile. */
interface Passport {
  readonly use: (strategy: object) => void
  readonly authenticate: (name: string, options: { readonly session: false }) => RequestHandler
}
type Verified = (error: null, user: object | false) => void
interface HeaderApiKey {
  readonly HeaderAPIKeyStrategy: new (
    from: { readonly header: string; readonly prefix: string },
    passRequest: false,
    verify: (key: string, verified: Verified) => void,
  ) => object
}

function createPassport(key: string): RequestHandler {
  const require = createRequire(import.meta.url)
  const passport = require('passport') as Passport
  const { HeaderAPIKeyStrategy } = require('passport-headerapikey') as HeaderApiKey
  const from = { header: 'X-API-Key', prefix: '' }
  const user = { owner: 'bench' }
  passport.use(
    new HeaderAPIKeyStrategy(from, false, (presented, verified) =>
      verified(null, presented === key ? user : false),
    ),
  )
  return passport.authenticate('headerapikey', { session: false })
}

const { port, key, guard } = readServed()
const app = express()
const answer: RequestHandler = (request, response) => {
  response.json(predict((request.body as { readonly text: string }).text))
}
const sendSameHeaders: RequestHandler = (_request, response, next) => {
  response.set(sameHeaders)
  next()
}
// The guard types `locals` of the route it is written into; a list of guards has no such route.
const guards: readonly RequestHandler[] = [
  ...(guard === 'headers' ? [sendSameHeaders] : []),
  ...(guard === 'empty' ? [(_request: unknown, _response: unknown, next: () => void) => next()] : []),
  // It reads nothing of a route's types, which the list cannot tell.
  ...(guard === 'modelward'
    ? [guardRoute(await openWard(), { scope: 'predict' }) as unknown as RequestHandler]
    : []),
  ...(guard === 'peer' ? [createPassport(key)] : []),
]
app.post('/predict', ...guards, express.json(), answer)
app.listen(port, '127.0.0.1')
