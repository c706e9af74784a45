import express, { Router } from 'express'
import type { Caller } from 'modelward'
import { callerOf, guard, guardApp, problems } from 'modelward/express'
import { type Equal, expectType } from './equal.ts'
import { mixedWard, optionalWard, ward } from './wards.ts'

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

// A field that is misspelt, or of another type, in each place that takes a demand.
// @ts-expect-error a scope is text
guard(ward, { scope: 1 })
// @ts-expect-error several scopes are a list
guard(ward, { anyScope: 'predict' })
// @ts-expect-error it is true or false
guard(ward, { anyKey: 'yes' })
// @ts-expect-error a session is for reading, or with the CSRF header
guard(ward, { session: true })
// @ts-expect-error limits are a list
guard(ward, { limits: '5/h' })
// @ts-expect-error a name is text
guard(ward, { name: 7 })
// @ts-expect-error a cost names its measure
guard(ward, { cost: 500 })
// @ts-expect-error a cost is a number
guard(ward, { cost: { tokens: '500' } })
// @ts-expect-error it is true or false
guard(ward, { billable: 0 })
// @ts-expect-error a model is named
guard(ward, { model: 7 })
// @ts-expect-error what comes first is a list
guard(ward, { needs: { scope: 'predict' } })
// @ts-expect-error a check is a function
guard(ward, { check: true })
// @ts-expect-error it is `scope`
guard(ward, { scop: 'predict' })
// @ts-expect-error it is `scope`, for one as for several
guard(ward, { scopes: ['predict'] })
// @ts-expect-error it is `limits`
guard(ward, { limit: ['5/h'] })
// @ts-expect-error it is `anyKey`
guard(ward, { scope: 'predict', anykey: true })
// @ts-expect-error what it needs are demands too
guard(ward, { needs: [{ scop: 'predict' }] })
// @ts-expect-error the same of a whole app
guardApp(express(), { ward, demand: { scop: 'predict' } })
// @ts-expect-error of another type
guardApp(express(), { ward, demand: { scope: 1 } })
// @ts-expect-error paths are a list
guardApp(express(), { ward, public: '/health' })
// @ts-expect-error of texts
guardApp(express(), { ward, public: [/health/] })
// @ts-expect-error middleware is a function
guardApp(express(), { ward, before: ['cors'] })
// @ts-expect-error there is no such option
guard(ward, {}, { onRefuse: () => true })
