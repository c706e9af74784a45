import { z } from 'zod'

/** The request header that has a retry answered as the first time, for OpenAPI. */
export const idempotencyHeaders: z.ZodObject = z.object({
  'Idempotency-Key': z
    .string()
    .optional()
    .describe(
      'A retry with the same key and body gets the same answer for 24 hours. 1 to 255 visible ASCII characters.',
    ),
})
