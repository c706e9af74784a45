import { type InputError, Refusal } from '../../core/refusal.ts'

/** A refusal of a call's body for one fault, or for several. It repeats nothing of the body. */
export function invalidBody(msg: string, type: string): Refusal {
  return invalidFields([{ loc: ['body'], msg, type }])
}

export function invalidFields(errors: readonly InputError[]): Refusal {
  return new Refusal('input_invalid', undefined, { errors })
}

export function invalidJson(): Refusal {
  return invalidBody('The body is not valid JSON', 'json_invalid')
}

/** Upstreams would fetch it, from where they stand. */
export const mediaByUrl: InputError = {
  loc: ['body'],
  msg: 'Media should come as `data:`, not by URL',
  type: 'media_url',
}

/** A fault of a field, `options.num_ctx`, or of the body as a whole where its name is empty. */
export function fieldError(field: string, msg: string, type: string): InputError {
  return { loc: field === '' ? ['body'] : ['body', ...field.split('.')], msg, type }
}
