import Fastify from 'fastify'
import { apiKeyHeader, bearer, type Caller, createTestWard } from 'modelward'
import { callerOf, findCaller, modelward } from 'modelward/fastify'
import { type Equal, expectType } from './equal.ts'

const ward = await createTestWard()
const optionalWard = await createTestWard({ scheme: bearer({ autoError: false }) })
const mixedWard = await createTestWard({
  scheme: [apiKeyHeader({ name: 'X-API-Key' }), bearer({ autoError: false })],
})

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
// Fastify's types cannot refuse a name that no demand has, such as `scopes`; declaring the route
// does.
// @ts-expect-error a scope is text
app.get('/', { config: { guard: { scope: 7 } } }, async () => 'ok')
// @ts-expect-error a guard asks for a ward, by which it types the caller
app.get('/', async (request) => callerOf(request))
