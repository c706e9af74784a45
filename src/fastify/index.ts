/** The guard for Fastify 5: a plugin for a whole app, or for a scope of one. */
import '../core/runtime/require-node.ts'

export { answerProblem } from './answer-problem.ts'
export {
  type DescribeRoutesOptions,
  describeRoutes,
  type SwaggerOperation,
  type SwaggerRoute,
} from './describe-routes.ts'
export { callerOf, findCaller, type GuardPluginOptions, modelward, usageOf } from './guard.ts'
