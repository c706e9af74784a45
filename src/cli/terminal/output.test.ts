import { afterEach, expect, test, vi } from 'vitest'
import { tell } from './output.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

test('output of a command hides a key that was typed in place of a name', () => {
  const written: string[] = []
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => written.push(String(text)) > 0)
  const secret = 's'.repeat(49)
  tell(`Created key Qm2xT0bKc9Za (mw_live_Qm2xT0bKc9Za_${secret}), owner acme.`)
  tell("unknown command 'mw_live_Qm2xT0bKc9Za_…'")
  expect(written).toEqual([
    'Created key Qm2xT0bKc9Za (mw_live_Qm2xT0bKc9Za_…), owner acme.\n',
    "unknown command 'mw_live_Qm2xT0bKc9Za_…'\n",
  ])
})
