import { destination } from 'pino'

/**
 * Characters of lines that wait for a disk with no space; further lines are lost, so that memory
 * does not fill too.
 */
const waitingMax = 2 ** 20

/**
 * Where the server's log goes. That a line cannot be written is no reason to end: where the log and
 * the ledger lie on one disk, it is full for both, and requests are answered with 503 until there
 * is space. Lines that waited for it are written then.
 *
 * @param fd an open file; 2 is standard error
 */
export function openLogOutput(fd: number): ReturnType<typeof destination> {
  const output = destination({ fd, sync: true, maxLength: waitingMax })
  // An error without a listener ends the process.
  output.on('error', () => {})
  return output
}
