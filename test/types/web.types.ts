import { type Caller, createTestWard } from 'modelward'
import { callerOf, guard, guardApp } from 'modelward/web'
import { type Equal, expectType } from './equal.ts'
import { mixedWard, optionalWard, ward } from './wards.ts'

const handler = guard(ward, { scope: 'predict' }, async (request, caller) => {
  expectType<Equal<typeof request, Request>>()
  expectType<Equal<typeof caller, Caller>>()
  return Response.json(caller.owner)
})
expectType<Equal<typeof handler, (request: Request) => Promise<Response>>>()

guard(optionalWard, {}, (_request, caller) => {
  expectType<Equal<typeof caller, Caller | null>>()
  // @ts-expect-error the caller may be null
  return Response.json(caller.owner)
})
guard(mixedWard, {}, (_request, caller) => {
  expectType<Equal<typeof caller, Caller | null>>()
  return Response.json(caller?.owner)
})

// A ward that opens with the first request says as much of its callers.
guard(
  () => createTestWard(),
  {},
  (_request, caller) => {
    expectType<Equal<typeof caller, Caller>>()
    return Response.json(caller.owner)
  },
)
guard(
  async () => optionalWard,
  {},
  (_request, caller) => {
    expectType<Equal<typeof caller, Caller | null>>()
    return Response.json(caller?.owner)
  },
)
const opensNothing = () => 'ward'
// @ts-expect-error what opens a ward gives a promise of one
guard(opensNothing, {}, () => new Response('ok'))

// What else a runtime gives a handler goes through, as Next.js's parameters of a route.
interface Route {
  readonly params: Promise<{ readonly id: string }>
}
const route = guard(ward, {}, async (_request, caller, { params }: Route) => {
  expectType<Equal<typeof caller, Caller>>()
  const { id } = await params
  expectType<Equal<typeof id, string>>()
  return Response.json({ id, owner: caller.owner })
})
expectType<Equal<Parameters<typeof route>, [request: Request, Route]>>()

const required = callerOf(ward, new Request('http://127.0.0.1'))
expectType<Equal<typeof required, Caller>>()
const optional = callerOf(optionalWard, new Request('http://127.0.0.1'))
expectType<Equal<typeof optional, Caller | null>>()

const app = guardApp(() => new Response('ok'), { ward, public: ['GET /health'] })
expectType<Equal<typeof app, (request: Request) => Promise<Response>>>()
guardApp((_request, environment: { readonly region: string }) => new Response(environment.region), {
  ward,
  address(_request, environment) {
    expectType<Equal<typeof environment, { readonly region: string }>>()
    return undefined
  },
})

const ok = () => new Response('ok')
// @ts-expect-error a handler answers
guard(ward, {}, () => 'ok')
// @ts-expect-error a guard needs a ward
guard(undefined, {}, ok)
// @ts-expect-error what opens a path is `public` of the app, not a guard
guard(ward, 'public', ok)
// @ts-expect-error there is no such demand
guard(ward, { role: 'admin' }, ok)
// @ts-expect-error there is no such option
guard(ward, {}, ok, { trustProxy: true })
// @ts-expect-error an app is guarded by a ward
guardApp(ok, { public: ['/health'] })
// @ts-expect-error paths are a list
guardApp(ok, { ward, public: '/health' })
// @ts-expect-error a function that decides is no list of paths
guardApp(ok, { ward, public: (path: string) => path === '/health' })

// A field that is misspelt, or of another type, in each place that takes a demand.
// @ts-expect-error a scope is text
guard(ward, { scope: 1 }, ok)
// @ts-expect-error several scopes are a list
guard(ward, { anyScope: 'predict' }, ok)
// @ts-expect-error it is true or false
guard(ward, { anyKey: 'yes' }, ok)
// @ts-expect-error a session is for reading, or with the CSRF header
guard(ward, { session: true }, ok)
// @ts-expect-error limits are a list
guard(ward, { limits: '5/h' }, ok)
// @ts-expect-error a name is text
guard(ward, { name: 7 }, ok)
// @ts-expect-error a cost names its measure
guard(ward, { cost: 500 }, ok)
// @ts-expect-error a cost is a number
guard(ward, { cost: { tokens: '500' } }, ok)
// @ts-expect-error it is true or false
guard(ward, { billable: 0 }, ok)
// @ts-expect-error a model is named
guard(ward, { model: 7 }, ok)
// @ts-expect-error what comes first is a list
guard(ward, { needs: { scope: 'predict' } }, ok)
// @ts-expect-error a check is a function
guard(ward, { check: true }, ok)
// @ts-expect-error it is `scope`
guard(ward, { scop: 'predict' }, ok)
// @ts-expect-error it is `scope`, for one as for several
guard(ward, { scopes: ['predict'] }, ok)
// @ts-expect-error it is `limits`
guard(ward, { limit: ['5/h'] }, ok)
// @ts-expect-error it is `anyKey`
guard(ward, { scope: 'predict', anykey: true }, ok)
// @ts-expect-error what it needs are demands too
guard(ward, { needs: [{ scop: 'predict' }] }, ok)
// @ts-expect-error the same of a whole app
guardApp(ok, { ward, demand: { scop: 'predict' } })
// @ts-expect-error of another type
guardApp(ok, { ward, demand: { scope: 1 } })
// @ts-expect-error paths are texts
guardApp(ok, { ward, public: [/health/] })
// @ts-expect-error there is no such option
guard(ward, {}, ok, { adress: () => undefined })
