import { noUsage, type Usage, type UsageOutcome } from '../../src/limits/usage/usage.ts'

/** A usage that says how it ended. */
export function usageThat(said: string[]): Usage {
  let isDetached = false
  let requestEnded: UsageOutcome | undefined
  const end = (outcome: UsageOutcome): void => void said.push(outcome)
  return {
    ...noUsage,
    used: { requests: 1, characters: 5 },
    end,
    endRequest(outcome) {
      if (isDetached) requestEnded = outcome
      else end(outcome)
    },
    detach() {
      isDetached = true
      return true
    },
    attach() {
      isDetached = false
      if (requestEnded !== undefined) end(requestEnded)
    },
    giveBack: () => void said.push('given back'),
  }
}
