type Outputs = readonly unknown[]

/**
 * Asks for no more than `batchMax` inputs at a time, one slice after the other; answers at once where each slice does.
 *
 * @param ask answers one slice
 */
export function predictInSlices(
  inputs: readonly unknown[],
  batchMax: number,
  ask: (slice: readonly unknown[]) => Outputs | Promise<Outputs>,
): Outputs | Promise<Outputs> {
  if (inputs.length <= batchMax) return inputs.length === 0 ? [] : ask(inputs)
  const outputs: unknown[] = []
  for (let from = 0; from < inputs.length; from += batchMax) {
    const answer = ask(inputs.slice(from, from + batchMax))
    if (answer instanceof Promise) return finishLater(outputs, answer, from + batchMax)
    outputs.push(...answer)
  }
  return outputs

  async function finishLater(
    before: readonly unknown[],
    first: Promise<Outputs>,
    next: number,
  ): Promise<Outputs> {
    const all = [...before, ...(await first)]
    for (let from = next; from < inputs.length; from += batchMax)
      all.push(...(await ask(inputs.slice(from, from + batchMax))))
    return all
  }
}
