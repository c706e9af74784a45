import { Refusal } from 'modelward'
import { guard } from 'modelward/web'
import { openWard } from '../../../lib/ward'

export const POST = guard(openWard, { scope: 'predict' }, async (request, caller) => {
  const { text } = (await request.json()) as { readonly text?: unknown }
  if (typeof text !== 'string') throw new Refusal('input_invalid', 'Send a text.')
  return Response.json({ owner: caller.owner, length: text.length })
})
