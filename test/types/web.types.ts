import { apiKeyHeader, bearer, type Caller, createTestWard } from 'modelward'
import { callerOf, guard, guardApp } from 'modelward/web'
import { type Equal, expectType } from './equal.ts'

const ward = await createTestWard()
const optionalWard = await createTestWard({ scheme: bearer({ autoError: false }) })
const mixedWard = await createTestWard({
  scheme: [apiKeyHeader({ name: 'X-API-Key' }), bearer({ autoError: false })],
})

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
