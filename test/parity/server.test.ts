import { describe } from 'vitest'
import { describeParity } from './describe-parity.ts'
import { describeJobRows } from './rows-jobs.ts'
import { startServerTarget } from './start-server-target.ts'

describeParity('the server', startServerTarget)
// Jobs are the server's: an app behind an adapter makes its own routes of `ward.jobs`.
describe('the server', () => {
  describe('repeated and later answers', () => {
    describeJobRows((options) => startServerTarget({ modelDeadline: 500, ...options }))
  })
})
