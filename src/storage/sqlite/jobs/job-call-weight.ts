import type { AttemptEnd, JobSubmission } from '../../../jobs/job-queue.ts'
import type { JobCall } from './job-calls.ts'

const unit = 1_024
/** Of a call that says how much it takes at most: it hardly ever finds so much. */
const askedMax = 256

/** What a call weighs in its commit: a unit for each job or thing that it changes, and for each 1,024 characters of their texts. */
export function weighCall({ name, values }: JobCall): number {
  const [first, second] = values
  switch (name) {
    case 'submit':
      return weighTexts((first as JobSubmission).jobs.map(({ inputs }) => inputs))
    case 'settle':
      return weighTexts((first as readonly AttemptEnd[]).map((end) => ('result' in end ? end.result : '')))
    case 'extend':
      return (first as readonly unknown[]).length
    case 'claim':
      return Math.min((first as { readonly max: number }).max, askedMax)
    case 'forgetExpired':
      return Math.min(second as number, askedMax)
    default:
      return 1
  }
}

function weighTexts(texts: readonly string[]): number {
  let weight = 0
  for (const text of texts) weight += 1 + Math.floor(text.length / unit)
  return weight
}
