import type { Usage } from '../../limits/usage/usage.ts'

/**
 * Nothing tells when the request ends: its place among those at once comes free at once.
 *
 * @throws Fault by rejecting, if the limiter is out; what was taken is given back if it can be
 */
export async function endAtOnce(usage: Usage): Promise<void> {
  if (!usage.isOpen) return
  try {
    await usage.end('answered')
  } catch (thrown) {
    // The request fails, and has used nothing; the limiter may take nothing back either.
    try {
      await usage.giveBack()
    } catch {
      // What stopped the answer first is the fault to report.
    }
    throw thrown
  }
}
