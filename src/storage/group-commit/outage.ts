/** Tells when something goes out and when it is back, once each, however many calls fail in between. */
export interface Outage {
  /** The same call, whose end is looked at. */
  readonly watch: <Arguments extends readonly unknown[], T>(
    call: (...given: Arguments) => Promise<T>,
  ) => (...given: Arguments) => Promise<T>
}

/**
 * @param onOut told of the first call that fails, with why
 * @param onBack told of the first call that does not fail, after one that did
 */
export function createOutage(onOut: (reason: unknown) => void, onBack: () => void): Outage {
  let isOut = false
  return {
    watch:
      (call) =>
      async (...given) => {
        try {
          const result = await call(...given)
          if (isOut) onBack()
          isOut = false
          return result
        } catch (reason) {
          if (!isOut) onOut(reason)
          isOut = true
          throw reason
        }
      },
  }
}
