import express, { Router } from 'express'
import { apiKeyHeader, bearer, type Caller, createTestWard } from 'modelward'
import { callerOf, guard, guardApp, problems } from 'modelward/express'
import { type Equal, expectType } from './equal.ts'

const ward = await createTestWard()
const optionalWard = await createTestWard({ scheme: bearer({ autoError: false }) })
const mixedWard = await createTestWard({
  scheme: [apiKeyHeader({ name: 'X-API-Key' }), bearer({ autoError: false })],
})
const app = express()

// One route, in a later handler of it.
app.post('/predict', guard(ward, { scope: 'predict' }), (_request, response) => {
  expectType<Equal<typeof response.locals.caller, Caller>>()
  // @ts-expect-error nothing else was put there
  response.locals.user
  response.json(response.locals.caller.owner)
})
app.post('/predict', guard(ward, { scope: 'predict' }), express.json(), (request, response) => {
  expectType<Equal<typeof response.locals.caller, Caller>>()
  response.json([response.locals.caller.owner, request.body])
})
app.get('/models/:id', guard(ward), (request, response) => {
  expectType<Equal<typeof response.locals.caller, Caller>>()
  expectType<Equal<typeof request.params.id, string>>()
  response.json(request.query)
})
app.post('/', guard(optionalWard), (_request, response) => {
  expectType<Equal<typeof response.locals.caller, Caller | null>>()
  // @ts-expect-error the caller may be null
  response.json(response.locals.caller.owner)
})
app.post('/', guard(mixedWard), (_request, response) => {
  const caller = callerOf(mixedWard, response)
  expectType<Equal<typeof caller, Caller | null>>()
  expectType<Equal<typeof response.locals.caller, Caller | null>>()
  response.json(response.locals.caller?.owner)
})
Router().get('/', guard(ward), (_request, response) => {
  expectType<Equal<typeof response.locals.caller, Caller>>()
  const caller = callerOf(ward, response)
  expectType<Equal<typeof caller, Caller>>()
  response.json(caller.owner)
})

// A guard stands wherever middleware does.
app.use('/v1', guard(ward), Router())
app.use(guard(ward))

// A whole app stays the app it was.
const whole = guardApp(express(), { ward, public: ['GET /health'], before: [express.static('public')] })
expectType<Equal<typeof whole, ReturnType<typeof express>>>()
whole.get('/', (_request, response) => {
  const caller = callerOf(ward, response)
  expectType<Equal<typeof caller, Caller>>()
  response.json(caller.owner)
})
whole.use(problems())

// @ts-expect-error a guard needs a ward
guard()
// @ts-expect-error what opens a path is `public` of the app, not a guard
guard(ward, 'public')
// @ts-expect-error there is no such demand
guard(ward, { scopes: ['predict'] })
// @ts-expect-error there is no such option
guard(ward, {}, { trustProxy: true })
// @ts-expect-error an app is guarded by a ward
guardApp(express(), { public: ['/health'] })
// @ts-expect-error a router is no app
guardApp(Router(), { ward })
// @ts-expect-error middleware ahead of the guard is a list
guardApp(express(), { ward, before: guard(ward) })
