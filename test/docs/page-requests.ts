import { readBlocks } from './page-blocks.ts'

/** A `curl` of a page. */
export interface PageRequest {
  readonly command: string
  /** What the page says of its answer: a status, a status and a code, or the body. */
  readonly said: string
}

/**
 * Every `curl` of a page. The block right below their commands, `text` or `json`, says what is
 * answered, a line for each: a comment behind a command would be no comment on macOS.
 *
 * @throws Error where the page does not say it of every request
 */
export function readRequests(page: string): readonly PageRequest[] {
  const blocks = readBlocks(page)
  return blocks.flatMap(({ language, start, lines }, index) => {
    const commands = language === 'sh' ? lines.filter((line) => line.startsWith('curl ')) : []
    const below = blocks[index + 1]
    const said = below?.language === 'text' || below?.language === 'json' ? below.lines : []
    if (commands.length > 0 && said.length !== commands.length)
      throw new Error(
        `line ${start}: the block below has ${said.length} answers to ${commands.length} requests`,
      )
    return commands.map((command, nth) => ({ command, said: said[nth] ?? '' }))
  })
}

/** Whether that is what was answered. */
export function isAsSaid({ said }: PageRequest, status: string, body: string): boolean {
  const [, saidStatus, code = ''] = /^(\d{3})(?: (\w+))?$/.exec(said) ?? []
  return saidStatus === undefined ? body === said : status === saidStatus && body.includes(code)
}
