import { apiKey } from '@better-auth/api-key'
import { betterAuth } from 'better-auth'
import { memoryAdapter } from 'better-auth/adapters/memory'
import { getMigrations } from 'better-auth/db/migration'

const hourMs = 3_600_000

const memory = () => memoryAdapter({ user: [], session: [], account: [], verification: [], apikey: [] })

/**
 * Better Auth over its own memory, or a database that it reads and writes for each verify. `key`: the text of the one
 * key, where it is given.
 */
export async function openKeys({ key: text, database, ...settings }) {
  const options = {
    baseURL: 'http://localhost',
    secret: 'of a benchmark, and of nothing else: 0123456789',
    database: database ?? memory(),
    plugins: [apiKey(text === undefined ? {} : { customKeyGenerator: () => text })],
    telemetry: { enabled: false },
    // It would tell of each refusal.
    logger: { disabled: true },
  }
  if (database !== undefined) await (await getMigrations(options)).runMigrations()
  const auth = betterAuth(options)
  const { internalAdapter } = await auth.$context
  const user = await internalAdapter.createUser(
    { name: 'caller', email: 'caller@modelward.test' },
    { method: 'email-password' },
  )
  const { key } = await auth.api.createApiKey({
    body: { userId: user.id, rateLimitEnabled: true, ...settings },
  })
  return { key, verify: (presented) => auth.api.verifyApiKey({ body: { key: presented } }) }
}

/** A key has one rate limit; a second limit can only be its quota with a refill, which is counted first. */
export async function openBetterAuth(limits) {
  const rate = limits.at(-1)
  const quota = limits.length > 1 ? limits[0] : undefined
  if (rate === undefined || (quota !== undefined && quota.windowMs < hourMs)) return undefined
  const { key, verify } = await openKeys({
    rateLimitMax: rate.amount,
    rateLimitTimeWindow: rate.windowMs,
    ...(quota && { remaining: quota.amount, refillAmount: quota.amount, refillInterval: quota.windowMs }),
  })
  return { ask: async () => (await verify(key)).valid }
}
