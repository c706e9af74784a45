import { createParamDecorator, type ExecutionContext } from '@nestjs/common'
import { FastifyAdapter, RouteConfig } from '@nestjs/platform-fastify'
import type { FastifyRequest } from 'fastify'
import type { GuardSetting, Ward } from 'modelward'
import { modelward } from 'modelward/fastify'

export { answerProblem } from 'modelward/fastify'
export const WARD = Symbol('ward')
export const Guarded = (guard: GuardSetting): MethodDecorator => RouteConfig({ guard })
export const CallerParam = createParamDecorator(
  (_data: unknown, context: ExecutionContext) => context.switchToHttp().getRequest<FastifyRequest>().caller,
)

export async function createAdapter(ward: Ward) {
  const adapter = new FastifyAdapter()
  await adapter.getInstance().register(modelward, { ward, answersThrown: false })
  return adapter
}
