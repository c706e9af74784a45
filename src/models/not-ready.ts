/** Why a model was given up that did not load in time, and the way out. */
export function notReadyIn(loadMs: number): string {
  return `it was not ready within ${loadMs} ms; \`--model-load-deadline\` (\`loadMs\` in the library) gives it longer`
}
