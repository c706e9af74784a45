import { getTRPCErrorShape, initTRPC, TRPCError, transformTRPCResponse } from '@trpc/server'
import { getHTTPStatusCodeFromError } from '@trpc/server/http'
import { type TRPC_ERROR_CODE_KEY, TRPC_ERROR_CODES_BY_KEY } from '@trpc/server/rpc'
import { type Caller, Fault, problemOf, Refusal } from 'modelward'

const t = initTRPC.context<{ readonly caller: Caller }>().create({
  errorFormatter({ shape, error: { cause } }) {
    const reason = cause instanceof Refusal || cause instanceof Fault ? cause.code : undefined
    return { ...shape, data: { ...shape.data, reason } }
  },
})
const codes = Object.keys(TRPC_ERROR_CODES_BY_KEY) as TRPC_ERROR_CODE_KEY[]

function errorOf(cause: Refusal | Fault): TRPCError {
  const isSame = (code: TRPC_ERROR_CODE_KEY) =>
    getHTTPStatusCodeFromError(new TRPCError({ code })) === cause.status
  const message = problemOf(cause, '').body.detail
  return new TRPCError({ code: codes.findLast(isSame) ?? 'INTERNAL_SERVER_ERROR', message, cause })
}

export function answerOf(refusal: Refusal) {
  const { 'content-type': _problem, ...headers } = problemOf(refusal, '').headers
  const call = { type: 'unknown', path: undefined, input: undefined, ctx: undefined } as const
  const error = getTRPCErrorShape({ ...call, config: t._config, error: errorOf(refusal) })
  return { headers, body: transformTRPCResponse(t._config, { error }) }
}

const guarded = t.procedure.use(async ({ next }) => {
  const result = await next()
  if (result.ok) return result
  const { cause } = result.error
  throw cause instanceof Refusal || cause instanceof Fault ? errorOf(cause) : result.error
})

const scoped = (scope: string) =>
  guarded.use(({ ctx, next }) => {
    if (!ctx.caller.scopes.includes(scope))
      throw new Refusal('scope_missing', `This API key lacks the scope ${scope}.`)
    return next()
  })

export const router = t.router({
  me: guarded.query(({ ctx }) => ({ owner: ctx.caller.owner })),
  predict: scoped('predict')
    .input((input: unknown) => {
      if (typeof input !== 'string') throw new Refusal('input_invalid', 'Send a text.')
      return input
    })
    .mutation(({ ctx, input }) => ({ owner: ctx.caller.owner, length: input.length })),
})

export type AppRouter = typeof router
