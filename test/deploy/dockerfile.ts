import { readFileSync } from 'node:fs'
import { DockerfileParser, type Instruction } from 'dockerfile-ast'

export interface Stage {
  /** Its name; empty for the last one. */
  readonly name: string
  readonly from: string
  readonly instructions: readonly Instruction[]
}

/**
 * What gets into a build: `.dockerignore` begins by leaving all out, and names what is let in.
 */
export function readAdmitted(): readonly string[] {
  const lines = readFileSync('.dockerignore', 'utf8').split('\n')
  return lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1))
}

/** The stages of the `Dockerfile`, in order. */
export function readStages(): readonly Stage[] {
  const stages: { name: string; from: string; instructions: Instruction[] }[] = []
  const parsed = DockerfileParser.parse(readFileSync('Dockerfile', 'utf8'))
  for (const instruction of parsed.getInstructions()) {
    if (instruction.getKeyword() === 'FROM') {
      const [from = '', , name = ''] = wordsOf(instruction)
      stages.push({ name, from, instructions: [] })
    } else stages.at(-1)?.instructions.push(instruction)
  }
  return stages
}

/** The stage of this name; the last one without a name. */
export function stageOf(name = ''): Stage {
  const stage = readStages().find((one) => one.name === name)
  if (stage === undefined) throw new Error(`Dockerfile: no stage ${name}`)
  return stage
}

/** The instructions of a stage that begin with a word, such as `RUN`. */
export function instructionsOf(stage: Stage, keyword: string): readonly Instruction[] {
  return stage.instructions.filter((instruction) => instruction.getKeyword() === keyword)
}

/** What a shell is given: the lines of a `RUN`, joined. */
export function commandOf(instruction: Instruction | undefined): string {
  return instruction?.getArgumentsContent()?.replaceAll('\\\n', ' ') ?? ''
}

export function wordsOf(instruction: Instruction): readonly string[] {
  return instruction.getArguments().map((argument) => argument.getValue())
}

/** The words of a program in exec form; undefined where a shell would run it. */
export function execFormOf(instruction: Instruction): readonly string[] | undefined {
  const [, words] = /^(?:HEALTHCHECK .*CMD|[A-Z]+) +(\[.*\])$/s.exec(instruction.getTextContent()) ?? []
  return words === undefined ? undefined : (JSON.parse(words) as readonly string[])
}

/** The only instruction of the last stage that begins with a word. */
export function lastOf(keyword: string): Instruction {
  const [only, second] = instructionsOf(stageOf(), keyword)
  if (only === undefined || second !== undefined) throw new Error(`Dockerfile: expected one ${keyword}`)
  return only
}

/** The variables of the image. */
export function readImageEnvironment(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    instructionsOf(stageOf(), 'ENV').flatMap((instruction) =>
      wordsOf(instruction).map((word) => {
        const [, name = '', value = ''] = /^(\w+)=(.*)$/.exec(word) ?? []
        return [name, value]
      }),
    ),
  )
}
