import type { FastifyReply, FastifyRequest } from 'fastify'

/** What every answer carries beside its request id. HTML pages add a policy of their own. */
export const answerHeaders: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
}

/** Sets what every answer carries, before anything can refuse. */
export function setAnswerHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-request-id', request.id).headers(answerHeaders)
}

/** Sends a page. The policy loads what the page itself brings, and lets nobody frame it. */
export function sendPage(reply: FastifyReply, html: string, policy: string): FastifyReply {
  return reply
    .header('content-type', 'text/html; charset=utf-8')
    .header('content-security-policy', `${policy}; base-uri 'none'; frame-ancestors 'none'`)
    .send(html)
}
