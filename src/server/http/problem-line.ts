import type { Problem } from '../../core/refusal.ts'

/** Most bytes of a problem in a header: with the other headers it must fit a proxy's buffer. */
const problemBytesMax = 1_024

/**
 * A problem in one line of ASCII JSON, for proxies that hand on headers of a refusal and not its
 * body. Where it is too long, what is wrong with the input goes first, and then the end of the
 * sentence; what programs compare stays.
 */
export function problemLine(problem: Problem): string {
  const whole = asciiJson(problem)
  if (whole.length <= problemBytesMax) return whole
  const { errors: _, ...bare } = problem
  let line = asciiJson(bare)
  for (let detail = problem.detail; line.length > problemBytesMax && detail !== ''; ) {
    detail = detail.slice(0, -1 - Math.floor((line.length - problemBytesMax) / 6))
    line = asciiJson({ ...bare, detail: `${detail}...` })
  }
  return line
}

function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
