import { readFileSync } from 'node:fs'
import { readBlocks } from '../docs/page-blocks.ts'

/** A guide whose files are JavaScript, for programs that read no TypeScript. */
export interface GuidePage {
  /** The files of its `js` blocks by the names on their first lines. */
  readonly files: Readonly<Record<string, string>>
  /** The text of a file. @throws if the page has none of that name */
  readonly file: (name: string) => string
  /** The commands of the section under a heading. @throws if it has none */
  readonly commands: (heading: string) => readonly string[]
}

export function readGuidePage(path: string): GuidePage {
  const text = readFileSync(path, 'utf8')
  const files = Object.fromEntries(
    readBlocks(text)
      .filter(({ language }) => language === 'js')
      .map(({ lines }) => [nameIn(path, lines), `${lines.join('\n')}\n`]),
  )
  return {
    files,
    file(name) {
      const found = files[name]
      if (found === undefined) throw new Error(`${path}: there is no file ${name}`)
      return found
    },
    commands(heading) {
      const section = text.split(/^#+ /m).find((part) => part.startsWith(`${heading}\n`)) ?? ''
      const lines = readBlocks(section)
        .filter(({ language }) => language === 'sh')
        .flatMap((block) => block.lines)
      if (lines.length === 0) throw new Error(`${path}: there are no commands under ${heading}`)
      return lines
    },
  }
}

function nameIn(path: string, [first = '']: readonly string[]): string {
  const [, name] = /^\/\/ ([\w.-]+\.js)$/.exec(first) ?? []
  if (name === undefined) throw new Error(`${path}: expected a file's name, got ${first}`)
  return name
}
