// `node bench/limits/play-histories.ts NAME`: plays every history against one contestant, in a
// process of its own, whose time stands still.
import { mock } from 'node:test'
import { type Admitted, histories, playHistory } from './histories.ts'
import type { OpenLimitedApp } from './limited-app.ts'
import { openBetterAuth } from './peers/better-auth.mjs'
import { openExpressRateLimit } from './peers/express-rate-limit.ts'
import { openFastifyRateLimit } from './peers/fastify-rate-limit.ts'
import { openHonoRateLimiter } from './peers/hono-rate-limiter.ts'
import { openModelwardApp } from './peers/modelward.ts'
import { openRateLimiterFlexible } from './peers/rate-limiter-flexible.ts'
import { openPlainList } from './plain-list.ts'

const contestants: Readonly<Record<string, OpenLimitedApp>> = {
  ideal: openPlainList,
  Modelward: openModelwardApp,
  '@fastify/rate-limit': openFastifyRateLimit,
  'rate-limiter-flexible': openRateLimiterFlexible,
  'express-rate-limit': openExpressRateLimit,
  'hono-rate-limiter': openHonoRateLimiter,
  'Better Auth API keys': openBetterAuth,
}

async function play(open: OpenLimitedApp): Promise<Readonly<Record<string, Admitted | null>>> {
  const played: Record<string, Admitted | null> = {}
  for (const history of histories) {
    mock.timers.enable({ apis: ['Date', 'setTimeout', 'setInterval'], now: Date.UTC(2026, 0, 1) })
    const app = await open(history.limits)
    played[history.name] = app === undefined ? null : await playHistory(history, app, advance)
    await app?.close?.()
    mock.timers.reset()
  }
  return played
}

function advance(ms: number): void {
  mock.timers.tick(ms)
}

const [name = ''] = process.argv.slice(2)
const open = contestants[name]
if (open === undefined) throw new Error(`there is no contestant \`${name}\``)
process.stdout.write(`${JSON.stringify(await play(open))}\n`)
