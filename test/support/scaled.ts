const times = Number(process.env['TEST_ROUNDS'] ?? 1)

/**
 * How often a test of chance is played, or how many milliseconds that may take: `TEST_ROUNDS=5`
 * plays all of them five times as often.
 */
export function scaled(count: number): number {
  return Math.ceil(count * times)
}
