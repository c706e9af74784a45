import type { Measures } from './measures.ts'

/** The methods that only tell. */
const telling = [
  'requestBegan',
  'requestEnded',
  'request',
  'guard',
  'used',
  'modelCall',
  'ledgerCommit',
  'limiterTake',
  'limiterFailed',
  'jobBegan',
  'jobEnded',
  'webhookAttempt',
  'upstreamRequest',
  'upstreamFirstByte',
  'upstreamTokens',
  'event',
] as const satisfies readonly (keyof Measures)[]

type Tell = (first?: unknown, second?: unknown, third?: unknown) => unknown

/**
 * A listener of measures that cannot harm what it listens to: the first time that it throws, or
 * rejects as an async function does, it is dropped with one warning.
 */
export function dropMeasuresWhereTheyThrow(listener: Measures): Measures {
  let isDropped = false

  function drop(thrown: unknown): void {
    if (isDropped) return
    isDropped = true
    process.emitWarning('modelward: a listener of measures threw, and gets no more of them', {
      detail: String(thrown),
    })
  }

  function attempt<T>(call: () => T): T | undefined {
    try {
      return call()
    } catch (thrown) {
      drop(thrown)
      return undefined
    }
  }

  // Not by `attempt`: several of these are called for each request.
  function guarded(tell: Tell): (...told: Parameters<Tell>) => void {
    return (first, second, third) => {
      if (isDropped) return
      try {
        const told = tell(first, second, third)
        if (told instanceof Promise) told.catch(drop)
      } catch (thrown) {
        drop(thrown)
      }
    }
  }

  const told = Object.fromEntries(telling.map((name) => [name, guarded(listener[name] as Tell)]))
  return {
    // Each has the parameters of the method that it stands for, three at most.
    ...(told as unknown as Omit<Measures, 'isOn' | 'figure'>),
    isOn: listener.isOn,
    figure(name, read) {
      const end = isDropped ? undefined : attempt(() => listener.figure(name, read))
      return () => void attempt(() => end?.())
    },
  }
}
