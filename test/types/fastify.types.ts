import Fastify from 'fastify'
import type { Caller, Demand, GuardSetting } from 'modelward'
import { callerOf, describeRoutes, findCaller, modelward } from 'modelward/fastify'
import { type Equal, expectType } from './equal.ts'
import { mixedWard, optionalWard, ward } from './wards.ts'

const app = Fastify()
await app.register(modelward, { ward })
await app.register(modelward, { ward: optionalWard, default: 'public', answersThrown: false })
app.get('/health', { config: { guard: 'public' } }, async () => 'ok')
app.post('/predict', { config: { guard: { scope: 'predict' } } }, async (request) => {
  expectType<Equal<typeof request.caller, Caller>>()
  const required = callerOf(ward, request)
  expectType<Equal<typeof required, Caller>>()
  const optional = callerOf(optionalWard, request)
  expectType<Equal<typeof optional, Caller | null>>()
  // @ts-expect-error the caller may be null
  optional.owner
  const mixed = callerOf(mixedWard, request)
  expectType<Equal<typeof mixed, Caller | null>>()
  const found = findCaller(request)
  expectType<Equal<typeof found, Caller | undefined>>()
  // @ts-expect-error who calls is for the guard to say
  request.caller = required
  return request.caller.owner
})
// Parameters that a route names keep their type beside the guard's.
app.get<{ readonly Params: { readonly id: string } }>(
  '/models/:id',
  { config: { guard: { scope: ['predict', 'read'] } } },
  async (request) => {
    expectType<Equal<typeof request.params.id, string>>()
    expectType<Equal<typeof request.caller, Caller>>()
    return request.params.id
  },
)

// @ts-expect-error a plugin needs a ward
await app.register(modelward, {})
// @ts-expect-error and options
await app.register(modelward)
// @ts-expect-error there is no such option
await app.register(modelward, { ward, public: ['/health'] })
// @ts-expect-error the word is `public`
await app.register(modelward, { ward, default: 'open' })
// @ts-expect-error the word is `public`
app.get('/', { config: { guard: 'open' } }, async () => 'ok')
// @ts-expect-error a guard asks for a ward, by which it types the caller
app.get('/', async (request) => callerOf(request))

const ok = async () => 'ok'
// A field that is misspelt, or of another type, in each place that takes a demand.
// @ts-expect-error a scope is text
app.get('/', { config: { guard: { scope: 1 } } }, ok)
// @ts-expect-error several scopes are a list
app.get('/', { config: { guard: { anyScope: 'predict' } } }, ok)
// @ts-expect-error it is true or false
app.get('/', { config: { guard: { anyKey: 'yes' } } }, ok)
// @ts-expect-error a session is for reading, or with the CSRF header
app.get('/', { config: { guard: { session: true } } }, ok)
// @ts-expect-error limits are a list
app.get('/', { config: { guard: { limits: '5/h' } } }, ok)
// @ts-expect-error a name is text
app.get('/', { config: { guard: { name: 7 } } }, ok)
// @ts-expect-error a cost names its measure
app.get('/', { config: { guard: { cost: 500 } } }, ok)
// @ts-expect-error a cost is a number
app.get('/', { config: { guard: { cost: { tokens: '500' } } } }, ok)
// @ts-expect-error it is true or false
app.get('/', { config: { guard: { billable: 0 } } }, ok)
// @ts-expect-error a model is named
app.get('/', { config: { guard: { model: 7 } } }, ok)
// @ts-expect-error what comes first is a list
app.get('/', { config: { guard: { needs: { scope: 'predict' } } } }, ok)
// @ts-expect-error a check is a function
app.get('/', { config: { guard: { check: true } } }, ok)
// @ts-expect-error it is `scope`
app.get('/', { config: { guard: { scop: 'predict' } } }, ok)
// @ts-expect-error it is `scope`, for one as for several
app.get('/', { config: { guard: { scopes: ['predict'] } } }, ok)
// @ts-expect-error it is `limits`
app.get('/', { config: { guard: { limit: ['5/h'] } } }, ok)
// @ts-expect-error it is `anyKey`
app.get('/', { config: { guard: { scope: 'predict', anykey: true } } }, ok)
// @ts-expect-error what it needs are demands too
app.get('/', { config: { guard: { needs: [{ scop: 'predict' }] } } }, ok)

// Whatever else the config holds, and however the route is declared.
// @ts-expect-error it is `scope`
app.get('/', { config: { rate: 1, guard: { scop: 'predict' } } }, ok)
// @ts-expect-error it is `scope`
app.post<{ Body: string }>('/', { config: { guard: { scop: 'predict' } } }, ok)
// @ts-expect-error it is `scope`
app.get<{ Params: object }, { rate: number }>('/', { config: { rate: 1, guard: { scop: 'a' } } }, ok)
// @ts-expect-error it is `scope`
app.route({ method: 'GET', url: '/', config: { guard: { scop: 'predict' } }, handler: ok })
// @ts-expect-error a scope is text
app.route({ method: 'GET', url: '/', config: { guard: { scope: 1 } }, handler: ok })
// @ts-expect-error it is `scope`
app.get('/', { config: { guard: { scop: 'predict' } }, handler: ok })
const misspelt = { scope: 'predict', limit: ['5/h'] }
// @ts-expect-error it is `limits`
app.get('/', { config: { guard: misspelt } }, ok)
// @ts-expect-error what routes demand that say nothing is a demand too
await app.register(modelward, { ward, default: { scop: 'predict' } })
// @ts-expect-error and where it is described
describeRoutes(ward, { default: { scop: 'predict' } })

// What fits goes on as before, beside what the app itself keeps in a config.
declare const demand: Demand
declare const setting: GuardSetting
declare const isOpen: boolean
app.get('/', { config: { guard: demand } }, ok)
app.get('/', { config: { guard: setting } }, ok)
app.get('/', { config: { guard: { ...demand, scope: 'predict' } } }, ok)
app.get('/', { config: { guard: isOpen ? 'public' : { scope: 'predict' } } }, ok)
app.get('/', { config: { guard: isOpen ? { anyKey: true } : { scope: 'predict' } } }, ok)
app.route({ method: 'GET', url: '/', config: { guard: { needs: [demand], check: () => {} } }, handler: ok })
app.get('/', { config: { rate: 1 } }, async ({ routeOptions: { config } }) => {
  expectType<Equal<typeof config.rate, number>>()
  expectType<Equal<typeof config.url, string>>()
  return 'ok'
})
