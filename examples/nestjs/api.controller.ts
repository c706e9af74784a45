import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common'
import { type Caller, Refusal } from 'modelward'
import { CallerParam, Guarded } from './guarded.js'

@Controller()
export class ApiController {
  @Get('health')
  @Guarded('public')
  health() {
    return 'ok'
  }

  @Post('predict')
  @HttpCode(200)
  @Guarded({ scope: 'predict' })
  predict(@CallerParam() caller: Caller, @Body('text') text: unknown) {
    if (typeof text !== 'string') throw new Refusal('input_invalid', 'Send a text.')
    return { owner: caller.owner, length: text.length }
  }
}
