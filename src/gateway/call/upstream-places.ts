import type { Upstream } from '../upstreams/upstream.ts'

/** The places of upstreams for calls at once, `connectionsMax` of each. */
export interface UpstreamPlaces {
  /**
   * Takes a place at an upstream for a call. An owner gets one while it has fewer than are free:
   * alone it comes to half of them, and what it holds never takes the last one from others.
   *
   * @returns what gives it back, once; undefined: there is no place for this owner
   */
  readonly take: (upstream: Upstream, owner: string) => (() => void) | undefined
}

export function createUpstreamPlaces(): UpstreamPlaces {
  const taken = new Map<Upstream, { count: number; readonly byOwner: Map<string, number> }>()
  return {
    take(upstream, owner) {
      const places = taken.get(upstream) ?? { count: 0, byOwner: new Map<string, number>() }
      taken.set(upstream, places)
      const own = places.byOwner.get(owner) ?? 0
      if (own >= upstream.settings.connectionsMax - places.count) return undefined
      places.count += 1
      places.byOwner.set(owner, own + 1)
      let isGivenBack = false
      return () => {
        if (isGivenBack) return
        isGivenBack = true
        places.count -= 1
        const left = (places.byOwner.get(owner) ?? 0) - 1
        if (left > 0) places.byOwner.set(owner, left)
        else places.byOwner.delete(owner)
      }
    },
  }
}
