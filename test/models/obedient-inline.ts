// The same model, on the calling thread.
import { model as threaded } from './obedient-model.ts'

export const model = { ...threaded, runs: 'inline' as const }
