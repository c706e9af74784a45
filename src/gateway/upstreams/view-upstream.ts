import type { UpstreamStatus } from './upstream.ts'

/** How an upstream stands, as the API and the command line show it. */
export interface UpstreamView {
  readonly name: string
  readonly preset: string
  readonly url: string
  /** `closed`: calls go to it; `open`: it is left alone; `trying`: one call finds out. */
  readonly state: UpstreamStatus['state']
  /** Failures in a row. */
  readonly failures: number
  /** Seconds until the next try; 0 where it is not left alone. */
  readonly tried_in: number
  readonly calls_open: number
  /** Names that it lists itself; null where that is not known. */
  readonly models: readonly string[] | null
}

export function viewUpstream(status: UpstreamStatus): UpstreamView {
  const { name, preset, url, state, failures, opensInSeconds, callsOpen, models } = status
  return {
    name,
    preset,
    url,
    state,
    failures,
    tried_in: opensInSeconds,
    calls_open: callsOpen,
    models: models ?? null,
  }
}
