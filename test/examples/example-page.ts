import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readBlocks } from '../docs/page-blocks.ts'
import { type PageRequest, readRequests } from '../docs/page-requests.ts'

/** What the page of an example tells a reader to do. */
export interface ExamplePage {
  /** The commands between `npm install` and the last, which starts the app: `npm run train`. */
  readonly scripts: readonly string[]
  /** The command that starts the app. */
  readonly start: string
  /** All that is pasted into the other terminal, in order. */
  readonly pasted: readonly string[]
  readonly requests: readonly PageRequest[]
}

/**
 * The page of an example in `examples`. Its first commands install it and start it, and the other
 * ones ask it.
 *
 * @throws Error where it does not
 */
export function readExamplePage(name: string): ExamplePage {
  const page = readFileSync(join('examples', name, 'README.md'), 'utf8')
  const [first = [], ...others] = readBlocks(page)
    .filter(({ language }) => language === 'sh')
    .map(({ lines }) => lines)
  const [install, ...scripts] = first
  const start = scripts.pop()
  if (install !== 'npm install' || start === undefined)
    throw new Error(
      `examples/${name}/README.md: its first commands are not \`npm install\` and \`npm start\``,
    )
  return { scripts, start, pasted: others.flat(), requests: readRequests(page) }
}
