import type { FastifyRequest } from 'fastify'

/**
 * Whether another site's page made a browser send this: by `Sec-Fetch-Site`, which pages cannot forge, and by `Origin` where
 * a browser does not send it. Programs that are not browsers send neither, and hold no cookie that could be abused.
 */
export function isCrossSite({ headers, host }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  const { origin } = headers
  if (origin === undefined) return false
  return !URL.canParse(origin) || new URL(origin).host !== host.toLowerCase()
}
