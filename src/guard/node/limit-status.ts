import type { ServerResponse } from 'node:http'
import { limitHeaderNames } from '../../limits/limit-headers.ts'
import { noUsage, type Usage } from '../../limits/usage/usage.ts'

/**
 * Sends the client how its limits stand: at once, and again whenever that has changed and the head
 * has not left.
 */
export function sendLimits(response: ServerResponse, usage: Usage): void {
  if (usage === noUsage) return
  const send = (): void => {
    if (response.headersSent) return
    for (const [name, value] of Object.entries(usage.headers)) response.setHeader(name, value)
  }
  send()
  usage.onStates(send)
}

/**
 * Takes back what an earlier guard has set: a request that is refused has used nothing, and only
 * the refusal tells of limits.
 */
export function unsendLimits(response: ServerResponse, usage: Usage): void {
  if (usage === noUsage || response.headersSent) return
  for (const name of limitHeaderNames) response.removeHeader(name)
}
