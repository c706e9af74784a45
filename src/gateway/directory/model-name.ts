/** The tag that a name means which says none, as Ollama has it. */
export const latestTag = ':latest'

/**
 * What all spellings of a public name have in common: in lower case, and without the tag that it
 * has where it says none.
 */
export function untagged(publicName: string): string {
  const name = publicName.toLowerCase()
  return name.endsWith(latestTag) ? name.slice(0, -latestTag.length) : name
}
