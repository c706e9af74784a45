import type { Guard } from '../guard/guard.ts'

/** Runs what answers a request of a public path, and counts it unless a guard behind sees it. */
export async function countPublic(
  guard: Guard | undefined,
  request: Request,
  route: string | null,
  work: () => Promise<Response>,
): Promise<Response> {
  const count = guard?.beginUnguarded(request)
  if (count === undefined) return work()
  const { method } = request
  try {
    const response = await work()
    count({ route, method, status: response.status })
    return response
  } catch (thrown) {
    // The runtime answers it.
    count({ route, method, status: 500 })
    throw thrown
  }
}
