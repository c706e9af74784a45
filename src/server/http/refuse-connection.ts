import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { problemOf } from '../../core/problem.ts'
import { Refusal, type RefusalCode } from '../../core/refusal.ts'
import { answerHeaders } from './answers.ts'
import { currentAnswer } from './current-answer.ts'
import { problemLine } from './problem-line.ts'

/** How long a refused connection is still read, and what comes thrown away, in milliseconds. */
const lingerMs = 1_000

const codes: Readonly<Record<string, RefusalCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'body_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  CONNECT: 'method_not_allowed',
}

const refused = new WeakSet<Duplex>()

/** Whether nothing that still comes in is read. */
export function isRefused(socket: Duplex): boolean {
  return refused.has(socket)
}

/** Told of each refusal that is answered. */
export type RefusalListener = (refusal: Refusal) => void

/**
 * Answers what never became a request, because the HTTP parser refused it, with a problem; then
 * closes the connection. Requests that came before it on the connection are answered first (RFC
 * 9112 §9.3.2): a client takes the first answer for that of its first request.
 */
export function refuseConnection(
  error: { readonly code?: string },
  socket: Duplex,
  onRefused: RefusalListener = () => {},
): void {
  // It may be too late as well.
  if (refused.has(socket)) return
  refused.add(socket)
  if (error.code === 'ECONNRESET') socket.destroy()
  else refuseInTurn(new Refusal(codes[error.code ?? ''] ?? 'request_malformed'), socket, onRefused)
}

function refuseInTurn(refusal: Refusal, socket: Duplex, onRefused: RefusalListener): void {
  const answer = currentAnswer(socket)
  if (answer?.req.complete === true && socket.writable) {
    // Node hands the connection to the next answer once this one is done with.
    answer.once('close', () => setImmediate(refuseInTurn, refusal, socket, onRefused))
    return
  }
  // A second head in the middle of an answer would be read as part of it.
  if (!socket.writable || answer?.headersSent === true) socket.destroy()
  else {
    onRefused(refusal)
    endWith(refusal, socket)
  }
}

function endWith(refusal: Refusal, socket: Duplex): void {
  socket.end(formatAnswer(refusal))
  // Cutting it now would reset the connection, and a client busy sending would lose the answer (RFC
  // 9112 §9.6).
  const cut = setTimeout(() => socket.destroy(), lingerMs)
  cut.unref()
  socket.once('end', () => socket.destroy())
  socket.once('close', () => clearTimeout(cut))
  socket.resume()
}

function formatAnswer(refusal: Refusal): string {
  const requestId = randomUUID()
  const problem = problemOf(refusal, requestId)
  const body = JSON.stringify(problem.body)
  const headers = {
    ...problem.headers,
    ...answerHeaders,
    'x-request-id': requestId,
    // Its path is not known, and may have been a proxy's question.
    'x-modelward-problem': problemLine(problem.body),
    'content-length': Buffer.byteLength(body),
    date: new Date().toUTCString(),
    connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines.join('')}\r\n${body}`
}
