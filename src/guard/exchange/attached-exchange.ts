import type { Fault } from '../../core/fault.ts'
import type { Refusal } from '../../core/refusal.ts'
import type { Exchange } from './exchange.ts'
import type { ExchangeDeps } from './exchange-deps.ts'

// Of the process, not of this module: a bundle may hold it twice, and a ward that one of them made
// may be guarded with by the other.
const exchangeKey: unique symbol = Symbol.for('modelward.exchange')

/** Where an exchange hangs at the object that stands for its request. */
interface RequestObject {
  [exchangeKey]?: Exchange | undefined
}

/**
 * Exchanges at objects that take no property, once there is one. Asking a `WeakMap` for each
 * request would cost more than the guard.
 */
let elsewhere: WeakMap<object, Exchange> | undefined

/** The exchange of one guard at a request; without `deps`, that of the guard that saw it last. */
export function findExchange(request: object, deps?: ExchangeDeps): Exchange | undefined {
  let exchange = (request as RequestObject)[exchangeKey] ?? elsewhere?.get(request)
  while (exchange !== undefined && deps !== undefined && exchange.deps !== deps) exchange = exchange.next
  return exchange
}

export function detachExchange(request: object, deps: ExchangeDeps): void {
  const first = findExchange(request)
  if (first === undefined) return
  if (first.deps === deps) attachExchange(request, first.next)
  for (let exchange: Exchange | undefined = first; exchange !== undefined; exchange = exchange.next)
    if (exchange.next?.deps === deps) exchange.next = exchange.next.next
}

export function attachExchange(request: object, exchange: Exchange | undefined): void {
  try {
    const holder: RequestObject = request
    holder[exchangeKey] = exchange
  } catch {
    elsewhere ??= new WeakMap()
    if (exchange === undefined) elsewhere.delete(request)
    else elsewhere.set(request, exchange)
  }
}

/** The problems of requests that no guard has seen. */
const unguarded = new WeakMap<object, Refusal | Fault>()

/** Takes the problem that a request was answered with which no guard has seen. */
export function takeUnguardedProblem(request: object): Refusal | Fault | undefined {
  const problem = unguarded.get(request)
  // The same object may come back as another request.
  unguarded.delete(request)
  return problem
}

/** Notes the problem that a request is answered with, at every exchange of it. */
export function noteProblem(request: object, problem: Refusal | Fault): void {
  const first = findExchange(request)
  if (first === undefined) unguarded.set(request, problem)
  for (let exchange = first; exchange !== undefined; exchange = exchange.next) exchange.problem = problem
}
