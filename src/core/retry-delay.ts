/** How long to wait before the next try. */
export interface RetryDelay {
  /** Longest wait after the first failure, in milliseconds; it doubles with each. */
  readonly baseMs: number
  /** Longest wait at all. */
  readonly capMs: number
}

/**
 * A random wait of 0 up to a bound that doubles with each failure ("full jitter": jobs that failed
 * together, because of one outage, do not come back together).
 *
 * @param failures how often it has failed, from 1 on
 * @param random gives a number from 0 on and below 1
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function retryDelayMs(failures: number, { baseMs, capMs }: RetryDelay, random: () => number): number {
  return Math.floor(random() * Math.min(capMs, baseMs * 2 ** (failures - 1)))
}
