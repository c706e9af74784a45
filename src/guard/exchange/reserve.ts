import { Refusal } from '../../core/refusal.ts'
import { ledgerMeasuresMax } from '../../ledger/format/encoding.ts'
import { amountMax, measurePattern } from '../../limits/limit.ts'
import { type Costs, checkCosts } from '../../limits/usage/costs.ts'
import { releaseUsage } from '../../limits/usage/end-usage.ts'
import { settleWhenBack } from '../../limits/usage/settle-when-back.ts'
import type { TakenReservation } from '../../limits/usage/taken-reservation.ts'
import type { Usage } from '../../limits/usage/usage.ts'
import { admittedExchange, type Guard } from '../guard.ts'
import type { Exchange } from './exchange.ts'
import { isFollowed } from './exchange-deps.ts'
import { OpenReservations } from './open-reservations.ts'

/** What a handler has reserved of its caller's limits. */
export interface UsageReservation<Measure extends string = string> {
  /** The most that may be used, as it was asked for. */
  readonly reserved: Readonly<Record<Measure, number>>
  /**
   * Puts what was really used in the place of what was reserved, measure by measure: what is less
   * is given back, what is more counts too, beyond the limit. To be called once, and awaited before
   * the answer ends, as the record is written then; when the client has gone, with what was
   * delivered, within a minute. A reservation that is not settled stays used, and the record says
   * `usage: "reserved"`. While the limiter is out it resolves all the same: the limit is put right
   * when it is back, and the record says what was reserved.
   *
   * @throws TypeError for a measure that is missing or was not reserved, and for what is no whole
   *   number from 0 to 2,000,000,000: it may then be settled again; where it is settled already,
   *   and where the answer had ended
   */
  readonly settle: (used: Readonly<Record<Measure, number>>) => Promise<void>
}

/** Reserves for a request that a guard of a ward has admitted: see `Ward.reserve`. */
export type Reserve = <const Measure extends string>(
  request: object,
  costs: Readonly<Record<Measure, number>>,
) => Promise<UsageReservation<Measure>>

/** Most measures of a reservation: the record has `requests` beside them. */
const reservedMeasuresMax = ledgerMeasuresMax - 1

export function createReserve(guard: Guard): Reserve {
  return async function reserve(request, costs) {
    const exchange = admittedExchange(guard, request)
    const usage = exchange.openUsage()
    checkReserved(usage, costs)
    const mayReserve = (): boolean => !isFollowed(exchange.deps) || !exchange.isOver
    if (!mayReserve()) throw goneBefore()
    const open = openReservations(exchange, usage)
    open?.begin()
    let reservation: TakenReservation | undefined
    try {
      const taken = await usage.reserve(costs, mayReserve)
      if (taken instanceof Refusal) throw taken
      reservation = taken
      if (reservation === undefined || !mayReserve()) throw goneBefore()
    } catch (thrown) {
      open?.done()
      throw thrown
    }
    return createSettle({ reserved: { ...costs }, reservation, open, exchange })
  }
}

interface SettleDeps<Measure extends string> {
  readonly reserved: Readonly<Record<Measure, number>>
  readonly reservation: TakenReservation
  readonly open: OpenReservations | undefined
  readonly exchange: Exchange
}

function createSettle<Measure extends string>({
  reserved,
  reservation,
  open,
  exchange,
}: SettleDeps<Measure>): UsageReservation<Measure> {
  let isSettled = false
  return {
    reserved,
    async settle(used) {
      checkSettled(reserved, used)
      if (isSettled) throw new TypeError('settle: this reservation is settled already')
      if (open?.isOver === true && !reservation.isGivenBack) {
        // How long ago a client has gone is no mistake of the handler's.
        if (open.isAbandoned) return
        throw new TypeError('settle: the answer has ended, and its record says what was reserved')
      }
      isSettled = true
      const costs = { ...used }
      const isCounted = await settleWhenBack(exchange, () => reservation.settle(costs))
      if (!isCounted) noteReserved(exchange)
      open?.done()
    },
  }
}

/** Undefined where no answer is followed: then there is no record to wait with. */
function openReservations(exchange: Exchange, usage: Usage): OpenReservations | undefined {
  const { deps } = exchange
  if (!isFollowed(deps)) return undefined
  const { abandoned, telemetry } = deps
  exchange.reservations ??= new OpenReservations({
    abandoned,
    hold: usage.hold.bind(usage),
    release: () =>
      void releaseUsage(usage, (fault) =>
        telemetry.event('limiter.settle_failed', {}, fault, exchange.origin),
      ),
    noteReserved: () => noteReserved(exchange),
  })
  return exchange.reservations
}

function noteReserved(exchange: Exchange): void {
  exchange.detail = { ...exchange.detail, usage: 'reserved' }
}

function goneBefore(): DOMException {
  return new DOMException('reserve: the client has gone, or the answer has ended', 'AbortError')
}

function checkReserved(usage: Usage, costs: Costs): void {
  const measures = Object.keys(costs)
  if (measures.length === 0 || measures.length > reservedMeasuresMax)
    throw new TypeError(`reserve: expected 1 to ${reservedMeasuresMax} measures, got ${measures.length}`)
  for (const measure of measures) {
    if (measure === 'requests' || measure === 'concurrent')
      throw new TypeError(`reserve: \`${measure}\` is counted by the guard`)
    if (!measurePattern.test(measure))
      throw new TypeError(
        `reserve: expected a measure that a limit can name, such as tokens, got ${JSON.stringify(measure)}`,
      )
  }
  checkCosts('reserve', costs)
  // What a limit can never hold it refuses itself.
  const refusing = (measure: string): boolean =>
    usage.states.some(({ use }) => !use.isShadow && use.limit.measure === measure)
  for (const [measure, cost] of Object.entries(costs))
    if (cost > amountMax && !refusing(measure)) throw tooMuch('reserve', measure, cost)
}

function checkSettled(reserved: Costs, used: Costs): void {
  const names = Object.keys(reserved)
  for (const measure of Object.keys(used))
    if (!Object.hasOwn(reserved, measure))
      throw new TypeError(`settle: \`${measure}\` was not reserved; expected \`${names.join('`, `')}\``)
  for (const measure of names) {
    const cost: unknown = Object.hasOwn(used, measure) ? used[measure] : undefined
    if (!Number.isSafeInteger(cost) || (cost as number) < 0 || (cost as number) > amountMax)
      throw tooMuch('settle', measure, cost)
  }
}

function tooMuch(where: string, measure: string, cost: unknown): TypeError {
  return new TypeError(
    `${where}: \`${measure}\`: expected a whole number from 0 to ${amountMax}, got ${String(cost)}`,
  )
}
