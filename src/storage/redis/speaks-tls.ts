import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { RedisAddress } from './redis-url.ts'

/**
 * Whether a server that was asked over TLS, and said nothing, is a Redis without TLS: it waits for
 * the rest of a command then. Sends nothing secret, and never rejects.
 */
export function speaksPlainly({ host, port }: RedisAddress, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: ms })
    const end = (answer: boolean): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.on('connect', () => socket.write('PING\r\n'))
    // `+PONG`, or `-NOAUTH`.
    socket.on('data', (data) => end(/^[+-]/.test(data.toString('latin1'))))
    socket.on('timeout', () => end(false))
    socket.on('error', () => end(false))
    socket.on('close', () => end(false))
  })
}

/**
 * Whether a server that ended a connection without TLS speaks it. Sends nothing secret, trusts no
 * certificate, and never rejects.
 */
export function speaksTls({ host, port }: RedisAddress, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    // Nothing is said on it: whether a certificate is trusted is for the connection that is used.
    const socket = connectTls({ host, port, rejectUnauthorized: false, timeout: ms })
    const end = (answer: boolean): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.on('secureConnect', () => end(true))
    socket.on('timeout', () => end(false))
    socket.on('error', () => end(false))
    socket.on('close', () => end(false))
  })
}
