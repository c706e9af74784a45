/**
 * The environment without this program's own settings: a model's code has no use for the pepper.
 */
export function modelEnvironment(environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('MODELWARD_')))
}
