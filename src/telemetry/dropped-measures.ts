import { type Measures, noMeasures } from './measures.ts'

/** The methods that only tell. */
const telling = [
  'requestBegan',
  'requestEnded',
  'request',
  'guard',
  'used',
  'modelCall',
  'ledgerCommit',
  'limiterCall',
  'jobBegan',
  'jobEnded',
  'webhookAttempt',
  'event',
] as const satisfies readonly (keyof Measures)[]

type Tell = (first?: unknown, second?: unknown, third?: unknown) => void

/**
 * A listener of measures that cannot harm what it listens to: the first time that it throws, it is
 * dropped with one warning.
 */
export function dropMeasuresWhereTheyThrow(listener: Measures): Measures {
  let isDropped = false

  function drop(thrown: unknown): void {
    isDropped = true
    process.emitWarning('modelward: a listener of measures threw, and gets no more of them', {
      detail: String(thrown),
    })
  }

  function guarded(tell: Tell): Tell {
    return (first, second, third) => {
      if (isDropped) return
      try {
        tell(first, second, third)
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
      if (isDropped) return noMeasures.figure(name, read)
      try {
        return listener.figure(name, read)
      } catch (thrown) {
        drop(thrown)
        return noMeasures.figure(name, read)
      }
    },
  }
}
