/** The guard for Express 5, and 4. */
import '../core/runtime/require-node.ts'

export { answerProblem, type FaultListener, problems } from './answer-problem.ts'
export {
  type CallerLocals,
  callerOf,
  type ExpressAppOptions,
  type ExpressGuardOptions,
  type GuardHandler,
  guard,
  guardApp,
  usageOf,
} from './guard.ts'
