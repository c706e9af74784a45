import type { Ward } from '../../src/ward/ward.ts'
import type { RawAnswer, RawRequest } from '../parity/raw-http.ts'
import type { AppRoute } from './app-routes.ts'

/** An app behind one adapter, or the server itself: what runs the table of requests. */
export interface AdapterTarget {
  /** Where it listens; undefined where it is called with a web-standard `Request`. */
  readonly port: number | undefined
  /** Sends a request, over a connection of its own where there is one. */
  readonly ask: (request: RawRequest) => Promise<RawAnswer>
  /** Everything that was told of faults, and nothing that was told to clients. */
  readonly toldFaults: () => string
  readonly close: () => Promise<void>
}

export interface AdapterApp {
  readonly ward: Ward
  /** What the app answers, beside `POST /predict` and `GET /health`. */
  readonly routes: readonly AppRoute[]
  /** Whether it trusts a proxy on this machine to give the client's address. @default false */
  readonly isBehindProxy?: boolean
}

export interface Adapter {
  readonly name: string
  /**
   * What is public: paths on a list, compared letter by letter; or a route, however its router came
   * to it.
   */
  readonly opens: 'paths' | 'routes'
  readonly start: (app: AdapterApp) => Promise<AdapterTarget>
}
