import type { Context } from 'hono'
import type { Guard } from '../guard/guard.ts'
import { countUnguarded } from '../guard/node/count-unguarded.ts'
import { outgoingOf } from './hono-head.ts'
import { routeOf, statusOf } from './record-context.ts'

/** Runs what answers a request of a public path, and counts it unless a guard behind sees it. */
export async function countPublic(guard: Guard, c: Context, run: () => Promise<void>): Promise<void> {
  const { method } = c.req
  const outgoing = outgoingOf(c)
  if (outgoing !== undefined) {
    countUnguarded(guard, c, { method }, outgoing, () => routeOf(c))
    return run()
  }
  const count = guard.beginUnguarded(c)
  if (count === undefined) return run()
  const end = (status: number): void => count({ route: routeOf(c), method, status })
  try {
    await run()
  } catch (thrown) {
    end(statusOf(thrown))
    throw thrown
  }
  end(c.res.status)
}
