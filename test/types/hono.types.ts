import { Hono } from 'hono'
import type { Caller } from 'modelward'
import { callerOf, guard, guardApp, guardRoute } from 'modelward/hono'
import { type Equal, expectType } from './equal.ts'
import { mixedWard, optionalWard, ward } from './wards.ts'

// One route.
new Hono().post('/models/:id', guard(ward, { scope: 'predict' }), (c) => {
  expectType<Equal<typeof c.var.caller, Caller>>()
  const got = c.get('caller')
  expectType<Equal<typeof got, Caller>>()
  const id = c.req.param('id')
  expectType<Equal<typeof id, string>>()
  // @ts-expect-error nothing else was put there
  c.var.user
  return c.json(c.var.caller.owner)
})
new Hono().post('/', guard(optionalWard), (c) => {
  expectType<Equal<typeof c.var.caller, Caller | null>>()
  // @ts-expect-error the caller may be null
  return c.json(c.var.caller.owner)
})
new Hono().post('/', guard(mixedWard), (c) => {
  expectType<Equal<typeof c.var.caller, Caller | null>>()
  return c.json(c.var.caller?.owner)
})

// A handler further on, and what the app itself keeps.
interface Env {
  readonly Variables: { readonly requestId: string }
}
new Hono<Env>().post(
  '/',
  guard(ward),
  async (c, next) => {
    expectType<Equal<typeof c.var.caller, Caller>>()
    await next()
  },
  (c) => {
    expectType<Equal<typeof c.var.caller, Caller>>()
    expectType<Equal<typeof c.var.requestId, string>>()
    return c.text('ok')
  },
)

// A whole app.
guardApp(new Hono(), { ward }).get('/', (c) => {
  expectType<Equal<typeof c.var.caller, Caller>>()
  return c.text(callerOf(ward, c).owner)
})
guardApp(new Hono<Env>(), { ward: optionalWard, public: ['GET /health'] }).get('/', (c) => {
  const caller = callerOf(optionalWard, c)
  expectType<Equal<typeof caller, Caller | null>>()
  expectType<Equal<typeof c.var.caller, Caller | null>>()
  expectType<Equal<typeof c.var.requestId, string>>()
  return c.text('ok')
})

// Without a guard there is no caller to read.
new Hono().get('/', (c) => {
  // @ts-expect-error no guard stands before this route
  return c.json(c.var.caller)
})

// @ts-expect-error a guard needs a ward
guard()
// @ts-expect-error what opens a path is `public` of the app, not a guard
guard(ward, 'public')
// @ts-expect-error there is no such demand
guard(ward, { scopes: ['predict'] })
// @ts-expect-error there is no such option
guard(ward, {}, { trustProxy: true })
// @ts-expect-error an app is guarded by a ward
guardApp(new Hono(), { public: ['/health'] })
// @ts-expect-error there is no such option
guardApp(new Hono(), { ward, except: ['/health'] })
// @ts-expect-error middleware ahead of the guard is a list
guardApp(new Hono(), { ward, before: guard(ward) })

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
guardApp(new Hono(), { ward, demand: { scop: 'predict' } })
// @ts-expect-error of another type
guardApp(new Hono(), { ward, demand: { scope: 1 } })
// @ts-expect-error and of a route that is described
guardRoute(ward, { scop: 'predict' })
// @ts-expect-error paths are a list
guardApp(new Hono(), { ward, public: '/health' })
// @ts-expect-error of texts
guardApp(new Hono(), { ward, public: [/health/] })
// @ts-expect-error middleware is a function
guardApp(new Hono(), { ward, before: ['cors'] })
// @ts-expect-error there is no such option
guard(ward, {}, { adress: () => undefined })
