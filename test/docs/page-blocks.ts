/** A fenced block of a page. */
export interface Block {
  readonly language: string
  /** Index of the line after the opening fence. */
  readonly start: number
  readonly lines: readonly string[]
}

/** The fenced blocks of a page, in order. */
export function readBlocks(text: string): readonly Block[] {
  const blocks: Block[] = []
  let open: { language: string; start: number } | undefined
  for (const [index, line] of text.split('\n').entries()) {
    if (!line.trimStart().startsWith('```')) continue
    if (open === undefined) open = { language: line.trim().slice(3), start: index + 1 }
    else {
      blocks.push({ ...open, lines: text.split('\n').slice(open.start, index) })
      open = undefined
    }
  }
  if (open !== undefined) throw new Error(`line ${open.start}: the block has no end`)
  return blocks
}

/** The file that the first line of a block names, as in `// app.ts` or `# client.py`. */
export function fileOf({ lines }: Block): string | undefined {
  return /^(?:\/\/|#) ([\w./-]+\.(?:ts|cjs|py))$/.exec(lines[0] ?? '')?.[1]
}
