import type { ArgumentsHost, ExceptionFilter, OnApplicationShutdown } from '@nestjs/common'
import { Catch, Global, Inject, Logger, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { Fault, Refusal, type Ward } from 'modelward'
import { ApiController } from './api.controller.js'
import { answerProblem, createAdapter, WARD } from './guarded.js'

@Global()
@Module({ controllers: [ApiController] })
class AppModule implements OnApplicationShutdown {
  constructor(@Inject(WARD) private readonly ward: Ward<true>) {}

  onApplicationShutdown() {
    return this.ward.close()
  }
}

@Catch(Refusal, Fault)
class ProblemFilter implements ExceptionFilter {
  catch(thrown: Refusal | Fault, host: ArgumentsHost) {
    if (thrown instanceof Fault) Logger.error(thrown.cause ?? thrown)
    const http = host.switchToHttp()
    answerProblem(http.getRequest(), http.getResponse(), thrown)
  }
}

export async function createApp(ward: Ward<true>) {
  const root = { module: AppModule, providers: [{ provide: WARD, useValue: ward }], exports: [WARD] }
  const app = await NestFactory.create(root, await createAdapter(ward))
  return app.useGlobalFilters(new ProblemFilter()).setGlobalPrefix('api')
}
