import { type InputError, Refusal } from '../core/refusal.ts'

/**
 * The refusal of an input that a model threw. Known by its name and code and made anew, because a
 * user's module may have a copy of the package of its own, whose class is another. Any other
 * refusal is not a model's to make: whether a caller may come in is decided before.
 */
export function inputRefusalOf(thrown: unknown): Refusal | undefined {
  if (!(thrown instanceof Error) || thrown.name !== 'Refusal') return undefined
  const { code, message, errors } = thrown as Partial<Refusal> & Error
  if (code !== 'input_invalid') return undefined
  return createInputRefusal(String(message), errors)
}

export function createInputRefusal(detail: string, errors: readonly InputError[] | undefined): Refusal {
  return new Refusal('input_invalid', detail, errors === undefined ? {} : { errors })
}
