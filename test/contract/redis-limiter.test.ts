import { randomUUID } from 'node:crypto'
import { onTestFinished } from 'vitest'
import { openRedisLimiter } from '../../src/storage/redis/redis-limiter.ts'
import { createFleetStores } from '../support/fleet-stores.ts'
import { redisUrl } from '../support/services.ts'
import { beginTime, describeLimiter } from './limiter.contract.ts'

describeLimiter('Redis', async () => {
  const time = beginTime()
  const { wall, steady } = time
  const limiter = await openRedisLimiter({
    ...createFleetStores(),
    url: await redisUrl(),
    deployment: randomUUID(),
    clocks: () => ({ steady: wall - steady + time.steady, wall: time.wall }),
  })
  onTestFinished(() => limiter.close())
  return { limiter, time }
})
