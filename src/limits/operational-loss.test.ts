import { expect, test } from 'vitest'
import { useOf } from '../../test/contract/limiter.contract.ts'
import { Fault } from '../core/fault.ts'
import { createInProcessLimiter } from './in-process/in-process-limiter.ts'
import type { Limiter, LimitUse } from './limiter.ts'
import { withOperationalShare } from './operational-loss.ts'

function openLost(): { readonly limiter: Limiter; readonly lose: (isOut: boolean) => void } {
  const counted = createInProcessLimiter()
  let isOut = false
  const lost: Limiter = {
    ...counted,
    async take(uses) {
      if (isOut) throw new Fault('limiter_unavailable', 'out')
      return counted.take(uses)
    },
  }
  return {
    limiter: withOperationalShare(lost, { liveNodes: () => 2 }),
    lose(value) {
      isOut = value
    },
  }
}

const operational = (limit: string): LimitUse => ({ ...useOf('key:k', limit), scope: 'operational' })

test('operational requests are counted by each node while the limiter is out, its share of them', async () => {
  const { limiter, lose } = openLost()
  const use = operational('4/min')
  expect((await limiter.take([use])).refusal).toBeUndefined()
  lose(true)
  for (const isRefused of [false, false, true])
    expect((await limiter.take([use])).refusal !== undefined).toBe(isRefused)
  lose(false)
  expect((await limiter.take([use])).states).toMatchObject([{ remaining: 2 }])
})

test('other requests are refused, also those that meet such a limit too', async () => {
  const { limiter, lose } = openLost()
  lose(true)
  for (const uses of [[useOf('key:k', '4/min')], [operational('4/min'), useOf('key:k', '4/min')]])
    await expect(limiter.take(uses)).rejects.toMatchObject({ code: 'limiter_unavailable' })
})
