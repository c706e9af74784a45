/** The guard for Hono 4, on every runtime. */
import '../core/runtime/require-node.ts'

export type { FaultListener } from './answer-problem.ts'
export {
  type CallerVariables,
  callerOf,
  guard,
  guardApp,
  type HonoAppOptions,
  type HonoGuardOptions,
  usageOf,
} from './guard.ts'
export {
  type ComponentRegistry,
  type GuardedRoute,
  type GuardRouteOptions,
  guardRoute,
  registerGuard,
} from './guard-route.ts'
