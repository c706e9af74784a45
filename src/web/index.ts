/**
 * The guard for web-standard handlers, `(request: Request) => Response`: Next.js, Bun, Deno,
 * Workers and whatever is like them.
 */
import '../core/runtime/require-node.ts'

export {
  callerOf,
  type GuardedHandler,
  guard,
  guardApp,
  usageOf,
  type WebAppOptions,
  type WebGuardOptions,
  type WebHandler,
} from './guard.ts'
export type { WardSource } from './ward-source.ts'
