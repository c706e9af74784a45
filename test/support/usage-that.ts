import { noUsage, type Usage } from '../../src/limits/usage.ts'

/** What became of what a request took. */
export function usageThat(said: string[]): Usage {
  return {
    ...noUsage,
    used: { requests: 1, characters: 5 },
    end: (outcome) => void said.push(outcome),
    giveBack: () => void said.push('given back'),
  }
}
