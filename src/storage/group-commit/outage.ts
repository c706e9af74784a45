/** Reports that something fails and that it works again, once each however many calls fail between. */
export interface Outage {
  readonly failed: (reason: unknown) => void
  readonly succeeded: () => void
}

/**
 * @param onOut called at the first failure, with its reason
 * @param onBack called at the first success after a failure
 */
export function createOutage(onOut: (reason: unknown) => void, onBack: () => void): Outage {
  let isOut = false
  return {
    failed(reason) {
      if (!isOut) onOut(reason)
      isOut = true
    },
    succeeded() {
      if (isOut) onBack()
      isOut = false
    },
  }
}
