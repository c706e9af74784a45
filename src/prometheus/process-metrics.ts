import type { Registry } from 'prom-client'
import type { loadClient } from './load-client.ts'

let shared: Registry | undefined

/**
 * The figures of Node and of the process, `nodejs_…` and `process_…`. One registry for the process:
 * what they watch is watched once.
 */
export function processMetrics(client: Awaited<ReturnType<typeof loadClient>>): Registry {
  if (shared === undefined) {
    shared = new client.Registry()
    client.collectDefaultMetrics({ register: shared })
    // Gauges that are called counters, of sums that the metrics by `type` give.
    for (const name of ['handles', 'requests', 'resources'])
      shared.removeSingleMetric(`nodejs_active_${name}_total`)
  }
  return shared
}
