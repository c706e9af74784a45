/** Lines of those who want the same: so many have their turn at once, the others wait for it. */
export interface Lines {
  /** Resolves with how to leave when it is one's turn; `waited`: others had theirs before. */
  readonly enter: (key: string) => Promise<{ readonly waited: boolean; readonly leave: () => void }>
  /** How many want the same, those whose turn it is among them. */
  readonly lengthOf: (key: string) => number
}

interface Line {
  having: number
  readonly waiting: (() => void)[]
}

/** @param atOnce how many of one line have their turn at once */
export function createLines(atOnce: number): Lines {
  const lines = new Map<string, Line>()

  function leave(key: string, line: Line): void {
    const next = line.waiting.shift()
    if (next !== undefined) {
      next()
      return
    }
    line.having -= 1
    if (line.having === 0) lines.delete(key)
  }

  return {
    async enter(key) {
      const line = lines.get(key) ?? { having: 0, waiting: [] }
      lines.set(key, line)
      const waited = line.having >= atOnce
      // Who leaves gives the turn on.
      if (waited) await new Promise<void>((resolve) => line.waiting.push(resolve))
      else line.having += 1
      return { waited, leave: () => leave(key, line) }
    },
    lengthOf(key) {
      const line = lines.get(key)
      return line === undefined ? 0 : line.having + line.waiting.length
    },
  }
}
