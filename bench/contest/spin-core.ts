import { spawn } from 'node:child_process'
import { undoAtExit } from '../leftovers.ts'

/**
 * Keeps a core from going idle, at the priority that everything else goes before; gives what ends
 * it.
 */
export function spinCore(core: number): () => void {
  const spin = ['-c', `${core}`, 'chrt', '--idle', '0', process.execPath, '-e', 'for(;;);']
  const child = spawn('taskset', spin, { stdio: 'ignore' })
  child.on('error', () => {})
  return undoAtExit(() => void child.kill('SIGKILL'))
}
