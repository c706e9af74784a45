/** The guard for Fastify 5: a plugin for a whole app, or for a scope of one. */
export { answerProblem } from './answer-problem.ts'
export { callerOf, findCaller, type GuardPluginOptions, modelward } from './guard.ts'
