import { faults } from '../core/fault.ts'
import { refusals } from '../core/refusal.ts'

/** As much of JSON Schema as describes a problem. */
export type PlainSchema =
  | { type: 'array'; items: PlainSchema }
  | {
      type: 'object' | 'string' | 'integer'
      description?: string
      format?: string
      enum?: string[]
      required?: string[]
      properties?: Record<string, PlainSchema>
    }
  | { anyOf: PlainSchema[] }

/** The one body of every refusal and fault, in a form that OpenAPI 3.0 and 3.1 read alike. */
export const problemSchema: PlainSchema & { readonly properties: Readonly<Record<string, PlainSchema>> } = {
  type: 'object',
  description: 'RFC 9457 problem. Programs compare `code`.',
  required: ['type', 'title', 'status', 'detail', 'code', 'request_id'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', enum: [...Object.keys(refusals), ...Object.keys(faults)] },
    request_id: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['loc', 'msg', 'type'],
        properties: {
          loc: { type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'integer' }] } },
          msg: { type: 'string' },
          type: { type: 'string' },
        },
      },
    },
  },
}
