import { type Block, fileOf, readBlocks } from '../page-blocks.ts'

/**
 * A page as a reader follows it, from its first line to its last:
 *
 * - A `ts` or `python` block whose first line names a file, `// app.ts` or `# client.py`, is saved
 *   under that name. A `ts` block without a name continues the `ts` file before it; a `python`
 *   block without one is only shown.
 * - `sh` blocks are pasted into one terminal. A block that ends with a server is pasted into a
 *   terminal of its own, where the server goes on; the next such block follows a Ctrl-C there.
 * - A `json` or `text` block right after commands is what they print last; `…` stands for anything
 *   within a line.
 */
export type Step =
  | { readonly kind: 'save'; readonly at: string; readonly file: string; readonly text: string }
  | {
      readonly kind: 'paste' | 'serve'
      readonly at: string
      readonly commands: string
      /** What the commands print last; undefined where the page does not say. */
      readonly prints?: string
    }

/** Commands that go on until they are stopped. */
const servers = /^(?:npm start|npx modelward serve|node (?:app|server)\.ts|uvicorn)\b/

/** @throws Error for a block that no reader would know what to do with */
export function readSteps(name: string, text: string): readonly Step[] {
  const steps: Step[] = []
  let continued: string | undefined
  for (const block of readBlocks(text)) {
    const at = `${name}:${block.start}`
    const file = fileOf(block)
    switch (block.language) {
      case 'sh':
        steps.push(pasteOf(at, block))
        break
      case 'json':
      case 'text':
        state(at, block, steps)
        break
      case 'ts':
        continued = file ?? continued
        if (continued === undefined) throw new Error(`${at}: no file is named for this block`)
        steps.push({ kind: 'save', at, file: continued, text: textOf(block) })
        break
      case 'python':
        if (file !== undefined) steps.push({ kind: 'save', at, file, text: textOf(block) })
        break
      default:
        throw new Error(`${at}: no such language: ${block.language}`)
    }
  }
  return steps
}

/** The files of a page, whole; a block that continues one comes after what it continues. */
export function filesOf(steps: readonly Step[]): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  for (const step of steps)
    if (step.kind === 'save') files.set(step.file, (files.get(step.file) ?? '') + step.text)
  return files
}

function pasteOf(at: string, block: Block): Step {
  const last = block.lines.findLast((line) => line !== '') ?? ''
  return { kind: servers.test(last) ? 'serve' : 'paste', at, commands: textOf(block) }
}

/** Adds what the commands of the step before print. */
function state(at: string, block: Block, steps: Step[]): void {
  const step = steps.pop()
  if (step?.kind !== 'paste' || step.prints !== undefined)
    throw new Error(`${at}: no commands come before this block`)
  steps.push({ ...step, prints: block.lines.join('\n') })
}

function textOf({ lines }: Block): string {
  return `${lines.join('\n')}\n`
}
