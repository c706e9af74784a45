/** Milliseconds since the epoch, UTC. A parameter, so that a test can move the time. */
export type Clock = () => number

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** How durations are written, for messages. */
export const durationForms = '`90s`, `15min`, `24h` or `30d`'

/** Longest duration there is: a hundred years of 365 days, in milliseconds. */
const durationMsMax = 100 * 365 * 86_400_000

/**
 * Reads a duration such as `500ms`, `90s`, `15min`, `24h` or `30d`: milliseconds, or undefined for
 * any other text.
 */
export function parseDuration(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,15})(ms|s|min|h|d)$/.exec(text) ?? []
  if (digits === undefined || unit === undefined) return undefined
  const ms = Number(digits) * (unitMs[unit] ?? Number.NaN)
  return ms <= durationMsMax ? ms : undefined
}

/** Writes milliseconds in the largest unit that needs no fraction: 900000 is `15min`. */
export function formatDuration(ms: number): string {
  const unit =
    ['d', 'h', 'min', 's'].find((name) => ms > 0 && ms % (unitMs[name] ?? Number.NaN) === 0) ?? 'ms'
  return `${ms / (unitMs[unit] ?? 1)}${unit}`
}
