/**
 * What runs another command where the server was started.
 *
 * @param file the address of a file of the command line
 * @param script what npm calls the script that it runs; undefined without npm
 */
export function programHere(file: string, script: string | undefined): string {
  if (!file.includes('/node_modules/'))
    return script === 'start' ? 'npm run -s modelward --' : 'npx modelward'
  // Where npx keeps what no project has.
  return file.includes('/_npx/') ? 'npx @modelward/server' : 'npx modelward'
}
